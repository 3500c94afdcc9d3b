//! Decides how what was read is lined up for a terminal.

use farebox_core::base::money::PicoUsd;

/// Rows of one width, the first of them the heads. What is only numbers stands at the right.
pub(crate) fn lines(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let column = |at: usize| rows.iter().filter_map(move |row| row.get(at));
    let width = |at: usize| column(at).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_number =
        |cell: &String| cell.starts_with(|first: char| first.is_ascii_digit() || "$-".contains(first));
    let numbers: Vec<bool> = (0..columns).map(|at| column(at).skip(1).all(is_number)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).zip(&numbers);
        let cells = cells.map(|((cell, &width), is_number)| match is_number {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// An amount of a measure: money in dollars, all else as it is.
pub(super) fn amount(measure: &str, amount: u64) -> String {
    if measure == "usd" { format!("${}", PicoUsd(amount.saturating_mul(1_000))) } else { amount.to_string() }
}

/// Thousandths as percent.
pub(super) fn percent(permille: u64) -> String {
    format!("{}.{}%", permille / 10, permille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_the_right() {
        let rows = [["who", "spent"], ["a", "$1.50"], ["long name", "$20.00"]];
        let rows = rows.map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(lines(&rows), "who         spent\na           $1.50\nlong name  $20.00");
        assert_eq!((&*amount("usd", 1_500_000_000), &*amount("tokens", 7)), ("$1.50", "7"));
        assert_eq!(percent(999), "99.9%");
    }
}
