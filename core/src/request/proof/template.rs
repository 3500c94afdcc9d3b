//! Decides what the parts of a certificate's name are: as a template says.

use crate::config::{NameField, Piece};

/// The parts of `name` with what they are called; `None`: it is not of that form. There is one way at most: a part ends
/// where a character stands that it cannot have.
pub(super) fn read<'t>(
    template: &'t [Piece],
    field: NameField,
    name: &'t str,
) -> Option<Vec<(&'t str, &'t str)>> {
    let mut parts = Vec::with_capacity(template.len());
    let mut rest = name;
    for piece in template {
        match piece {
            Piece::Text(text) => rest = rest.strip_prefix(&**text)?,
            Piece::Part(part) => {
                let end = rest.find(|character| field.ends_part(character)).unwrap_or(rest.len());
                let (value, after) = rest.split_at_checked(end)?;
                if value.is_empty() {
                    return None;
                }
                parts.push((&**part, value));
                rest = after;
            }
        }
    }
    rest.is_empty().then_some(parts)
}
