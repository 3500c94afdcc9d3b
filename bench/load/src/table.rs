//! Decides what a table looks like, on a terminal and in Markdown.
//!
//! Does not decide what is in it.

use std::fmt::Write;

/// A table. Its first column is text, the others are numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table {
    /// What stands above it.
    pub(crate) title: String,
    /// Names of the columns.
    pub(crate) header: Vec<String>,
    /// Its rows, each as long as the header.
    pub(crate) rows: Vec<Vec<String>>,
    /// What stands below it.
    pub(crate) notes: Vec<String>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new(title: &str, header: &[&str]) -> Self {
        let header = header.iter().map(|name| (*name).to_owned()).collect();
        Self { title: title.to_owned(), header, ..Self::default() }
    }

    /// For a terminal.
    pub(crate) fn text(&self) -> String {
        let widths = self.widths();
        let mut text = format!("{}\n", self.title);
        for row in std::iter::once(&self.header).chain(&self.rows) {
            let mut line = String::new();
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
                let _ = if at == 0 { write!(line, "  {cell}{fill}") } else { write!(line, "  {fill}{cell}") };
            }
            let _ = writeln!(text, "{}", line.trim_end());
        }
        for note in &self.notes {
            let _ = writeln!(text, "  {note}");
        }
        text
    }

    /// In Markdown.
    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| {
            let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
            format!("| {} |\n", cells.join(" | "))
        };
        let mut text = format!("### {}\n\n{}", self.title, line(&self.header));
        let rule: Vec<&str> = (0..self.header.len()).map(|at| if at == 0 { "---" } else { "---:" }).collect();
        let _ = writeln!(text, "|{}|", rule.join("|"));
        for row in &self.rows {
            text.push_str(&line(row));
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.iter().map(|cell| cell.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

/// A number with three digits that mean something, or more if it is larger; `–` if there is none.
pub(crate) fn number(value: Option<f64>) -> String {
    let Some(value) = value.filter(|value| value.is_finite()) else { return "–".into() };
    let decimals = match value.abs() {
        0.0 => 0,
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 => 2,
        _ => 3,
    };
    let plain = format!("{value:.decimals$}");
    let digits = plain.split('.').next().unwrap_or_default().trim_start_matches('-').len();
    if digits <= 3 { plain } else { thousands(&plain) }
}

/// A whole number with commas.
fn thousands(digits: &str) -> String {
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        let left = digits.len() - at;
        if at > 0 && left.is_multiple_of(3) && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_mean_something() {
        for (value, text) in [
            (0.0, "0"),
            (0.123_45, "0.123"),
            (1.149_9, "1.15"),
            (9.999, "10.0"),
            (42.26, "42.3"),
            (99.97, "100"),
            (999.6, "1,000"),
            (1_234_567.0, "1,234,567"),
            (-1234.0, "-1,234"),
        ] {
            assert_eq!(number(Some(value)), text, "{value}");
        }
        assert_eq!(number(None), "–");
        assert_eq!(number(Some(f64::NAN)), "–");
    }

    #[test]
    fn columns_line_up_and_markdown_escapes_what_would_end_a_cell() {
        let mut table = Table::new("Chat", &["system", "µs"]);
        table.rows.push(vec!["plain".into(), "7".into()]);
        table.rows.push(vec!["a|b".into(), "42".into()]);
        assert_eq!(table.text(), "Chat\n  system  µs\n  plain    7\n  a|b     42\n");
        assert_eq!(
            table.markdown(),
            "### Chat\n\n| system | µs |\n|---|---:|\n| plain | 7 |\n| a\\|b | 42 |\n"
        );
    }
}
