//! Cells, and how they are written as comma-separated values.
//!
//! A text that came from somebody must not become a formula in the reader's program: one that begins as formulas do is marked
//! as text by an apostrophe. Numbers are numbers, and formulas are ours.

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::command::agreement) enum Cell {
    /// Nothing.
    Empty,
    /// Words, whoever's.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A formula of ours, without its equals sign.
    Formula(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Cell {
    fn from(it: bool) -> Self {
        Self::Number(it.into())
    }
}

/// Rows of cells, numbered from 1 as spreadsheets do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::command::agreement) struct Sheet {
    rows: Vec<Vec<Cell>>,
}

impl Sheet {
    /// The number of the next row.
    pub(super) fn next(&self) -> usize {
        self.rows.len() + 1
    }

    /// Adds a row; its number.
    pub(super) fn push(&mut self, row: Vec<Cell>) -> usize {
        self.rows.push(row);
        self.rows.len()
    }

    /// Adds a row of words.
    pub(super) fn text(&mut self, words: &[&str]) -> usize {
        self.push(words.iter().map(|it| Cell::from(*it)).collect())
    }

    /// Adds an empty row.
    pub(super) fn blank(&mut self) {
        self.rows.push(Vec::new());
    }

    /// Replaces a row that was added before what it speaks of.
    pub(super) fn replace(&mut self, number: usize, row: Vec<Cell>) {
        if let Some(place) = number.checked_sub(1).and_then(|it| self.rows.get_mut(it)) {
            *place = row;
        }
    }

    /// As RFC 4180 has it, with line feeds alone.
    pub(in crate::command::agreement) fn to_csv(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            let cells: Vec<_> = row.iter().map(written).collect();
            cells.join(",") + "\n"
        });
        rows.collect()
    }
}

fn written(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Number(number) => number.to_string(),
        Cell::Formula(formula) => quoted(&format!("={formula}")),
        Cell::Text(text) => {
            let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            match text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']) {
                true => quoted(&format!("'{text}")),
                false => quoted(&text),
            }
        }
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', ';', '\'']) || text.starts_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The letters of a column, counted from 0.
pub(super) fn column(mut index: usize) -> String {
    let mut letters = Vec::new();
    loop {
        // Below 26: a letter.
        letters.push(char::from(b'A' + u8::try_from(index % 26).unwrap_or(0)));
        index /= 26;
        if index == 0 {
            break;
        }
        index -= 1;
    }
    letters.iter().rev().collect()
}

/// A cell's address.
pub(super) fn at(col: usize, row: usize) -> String {
    format!("{}{row}", column(col))
}

/// A cell's address that stays when a formula is copied.
pub(super) fn fixed(col: usize, row: usize) -> String {
    format!("${}${row}", column(col))
}

/// The cells of a column from one row to another, inclusive, that stay when a formula is copied.
pub(super) fn down(col: usize, (first, last): (usize, usize)) -> String {
    format!("{}:{}", fixed(col, first), fixed(col, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r\n=cmd|' /C calc'!A0", "＝1"]
        {
            let cell = written(&Cell::Text(text.into()));
            let bare = cell.trim_start_matches('"');
            assert!(bare.starts_with('\''), "{text:?} is written {cell}");
            assert!(!cell.contains(['\n', '\r', '\t']));
        }
        assert_eq!(written(&Cell::Text("writes, \"quotes\"".into())), "\"writes, \"\"quotes\"\"\"");
        assert_eq!(written(&Cell::Number(-5)), "-5");
        assert_eq!(written(&Cell::Formula("A1".into())), "=A1");
    }

    #[test]
    fn columns_are_named_as_spreadsheets_name_them() {
        let names = [0, 25, 26, 51, 52, 701, 702].map(column);
        assert_eq!(names, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }
}
