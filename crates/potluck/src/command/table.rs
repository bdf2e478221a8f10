//! Tables, and numbers in them.

/// Rows in columns: the first on the left, the others on the right, two spaces between them; the last one is not
/// padded where it stands on the left.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<String> = head.iter().map(|it| (*it).to_owned()).collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells =
            row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    [&head].into_iter().chain(rows).map(line).collect()
}

/// Five significant digits.
pub(super) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    if !(1e-4..1e6).contains(&magnitude) {
        return format!("{value:.4e}");
    }
    // From 0 for hundreds of thousands to 8 for ten-thousandths.
    let digits = (4 - magnitude.log10().floor() as i32).max(0);
    format!("{value:.*}", usize::try_from(digits).unwrap_or(0))
}

/// A number that there may not be.
pub(super) fn or_dash(value: Option<f64>) -> String {
    value.map_or("-".to_owned(), number)
}

/// Dimensions.
pub(super) fn shape(sides: &[u64]) -> String {
    match sides {
        [] => "scalar".to_owned(),
        _ => sides.iter().map(u64::to_string).collect::<Vec<_>>().join("×"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_five_digits() {
        let shown = [0.0, 1.0, -0.012345678, 123456.7, 1e-9, 2.5e12, f64::INFINITY].map(number);
        assert_eq!(shown, ["0", "1.0000", "-0.012346", "123457", "1.0000e-9", "2.5000e12", "inf"]);
        assert_eq!(
            (or_dash(None), shape(&[]), shape(&[2, 3])),
            ("-".into(), "scalar".into(), "2×3".into())
        );
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a.weight".into(), "1".into()], vec!["b".into(), "20".into()]];
        assert_eq!(
            table(&["tensor", "n"], &rows),
            ["tensor     n", "a.weight   1", "b         20"]
        );
    }
}
