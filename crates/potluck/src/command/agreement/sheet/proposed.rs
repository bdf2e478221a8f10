//! A decision by proposals alone: the mean is done again; the other rules need more than cells.

use potluck_core::charter::Rule;

use super::cells::{Cell, Sheet, at, down, fixed};
use crate::command::agreement::facts::Facts;

/// Fills the sheet.
pub(super) fn fill(sheet: &mut Sheet, facts: &Facts<'_>) {
    let coordinates: Vec<_> = facts.round.experts.keys().collect();
    let rule = facts.agreement.rule;
    sheet.text(&["rule for proposals", rule.as_str()]);
    let mut head = vec!["proposed by".into(), "weight".into()];
    head.extend(coordinates.iter().map(|it| Cell::Text(it.to_string())));
    sheet.push(head);
    let first = sheet.next();
    for (party, lambda) in &facts.round.proposals {
        let mut row = vec![Cell::Text(party.to_string()), facts.charter().weight(party).into()];
        row.extend(
            coordinates.iter().map(|it| Cell::from(lambda.ppm().get(*it).copied().unwrap_or(0))),
        );
        sheet.push(row);
    }
    let rows = (first, sheet.next() - 1);
    let agreed = coordinates
        .iter()
        .map(|it| Cell::from(facts.agreement.lambda.ppm().get(*it).copied().unwrap_or(0)));
    let agreed: Vec<_> =
        ["agreed in the ledger".into(), Cell::Empty].into_iter().chain(agreed).collect();
    let agreed = sheet.push(agreed);
    if rule != Rule::Mean || facts.round.proposals.is_empty() {
        sheet.text(&["This rule moves marks until medians sum to one, for which there is no formula of cells: `potluck audit` works it out, and docs/formats.md says how."]);
        return;
    }
    mean(sheet, coordinates.len(), rows, agreed);
}

/// Σ wᵢλᵢ/Σ wᵢ in whole parts per million, the rest by the largest remainders, ties to whoever stands first.
fn mean(sheet: &mut Sheet, width: usize, rows: (usize, usize), agreed: usize) {
    let weights = down(1, rows);
    let columns = || 2..2 + width;
    let line = |name: &str, formula: &dyn Fn(usize) -> String| {
        let cells = columns().map(|col| Cell::Formula(formula(col)));
        [name.into(), Cell::Empty].into_iter().chain(cells).collect::<Vec<_>>()
    };
    let sums = sheet
        .push(line("weighted sum", &|col| format!("SUMPRODUCT({weights},{})", down(col, rows))));
    let whole =
        sheet.push(line("whole parts", &|col| format!("INT({}/SUM({weights}))", at(col, sums))));
    let rest = sheet.push(line("remainder", &|col| {
        format!("{}-{}*SUM({weights})", at(col, sums), at(col, whole))
    }));
    let across = |row| format!("{}:{}", fixed(2, row), fixed(1 + width, row));
    let rank = sheet.push(line("its rank", &|col| {
        let (mine, all) = (at(col, rest), across(rest));
        format!("1+SUMPRODUCT(({all}>{mine})+({all}={mine})*(COLUMN({all})<COLUMN({mine})))")
    }));
    let shares = sheet.push(line("share", &|col| {
        let missing = format!("1000000-SUM({})", across(whole));
        format!("{}+IF({}<={missing},1,0)", at(col, whole), at(col, rank))
    }));
    let same =
        format!("IF(SUMPRODUCT(({}={})*1)={width},\"yes\",\"NO\")", across(shares), across(agreed));
    sheet.push(vec!["the same as in the ledger?".into(), Cell::Formula(same)]);
}
