//! Which texts are computed together: those of similar length, so that little is padding.

use super::Reading;

/// The most texts of a group.
const MOST_ROWS: usize = 64;

/// The most tokens of a group with its padding. More at once is no faster on a processor, whose
/// caches then hold less of it, and attention needs the square of a length.
const MOST_TOKENS: usize = 4096;

/// The numbers of `readings` in groups, from short ones to long ones. A fifth of a group at most is
/// padding.
pub(super) fn groups(readings: &[Reading]) -> Vec<Vec<usize>> {
    let length = |row: usize| readings[row].tokens().len();
    let mut order: Vec<usize> = (0..readings.len()).collect();
    order.sort_by_key(|&row| length(row));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut real = 0;
    for row in order {
        let fits = groups.last().is_some_and(|group| {
            let whole = (group.len() + 1) * length(row);
            let padding = whole - real - length(row);
            group.len() < MOST_ROWS && whole <= MOST_TOKENS && 5 * padding <= whole
        });
        match groups.last_mut() {
            Some(group) if fits => group.push(row),
            _ => {
                groups.push(vec![row]);
                real = 0;
            }
        }
        real += length(row);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_is_in_one_group_with_others_of_its_length(
            lengths in prop::collection::vec(1usize..3000, 0..200),
        ) {
            let readings: Vec<Reading> = lengths.iter().map(|it| Reading::of_length(*it)).collect();
            let groups = groups(&readings);
            let mut all = groups.concat();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..lengths.len()));
            for group in groups {
                let longest = group.iter().map(|&row| lengths[row]).max().unwrap();
                let real: usize = group.iter().map(|&row| lengths[row]).sum();
                let whole = longest * group.len();
                prop_assert!(group.len() <= MOST_ROWS);
                prop_assert!(group.len() == 1 || whole <= MOST_TOKENS);
                prop_assert!(5 * (whole - real) <= whole);
            }
        }
    }
}
