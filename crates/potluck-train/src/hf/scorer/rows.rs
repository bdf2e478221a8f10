//! Which texts are computed together: those of similar length, so that little is padding.

use super::Reading;

/// The most texts of a group.
const MOST_ROWS: usize = 64;

/// The most tokens of a group with its padding; attention of a group needs the square of a length.
const MOST_TOKENS: usize = 16_384;

/// The numbers of `readings` in groups, from short ones to long ones.
pub(super) fn groups(readings: &[Reading]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..readings.len()).collect();
    order.sort_by_key(|&row| readings[row].tokens().len());
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in order {
        let length = readings[row].tokens().len();
        match groups.last_mut() {
            Some(group) if group.len() < MOST_ROWS && (group.len() + 1) * length <= MOST_TOKENS => {
                group.push(row);
            }
            _ => groups.push(vec![row]),
        }
    }
    groups
}
