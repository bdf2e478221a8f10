//! Why a published soup is in force no longer.

use potluck_core::Federation;
use potluck_core::federation::Round;

use crate::clock::utc;

/// In words that follow "the soup of round N"; nothing where it is in force, or there is none.
pub(super) fn lapse(federation: &Federation, round: &Round, time: u64) -> Option<String> {
    round.soup.as_ref()?;
    if let Some(index) = round.withdrawn {
        return Some(format!(
            "is no longer in force: a party took its expert back in entry {index}"
        ));
    }
    let later = federation.rounds().iter().rev().find(|it| it.soup.is_some());
    if let Some(later) = later.filter(|it| it.number > round.number) {
        return Some(format!(
            "is no longer in force: that of round {} has its place",
            later.number
        ));
    }
    let expires = round.agreement.as_ref().and_then(|it| it.expires);
    let expires = expires.filter(|end| time > *end)?;
    Some(format!("is no longer in force: its agreement was over on {}", utc(expires)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{Story, TIME};

    #[test]
    fn each_end_has_its_words_and_the_ledger_knows_it() {
        let of = |story: &Story, time| {
            let federation = story.federation();
            let said = lapse(federation, &federation.rounds()[0], time);
            assert_eq!(said.is_none(), federation.in_force(time).is_some());
            said.unwrap_or_default()
        };
        let mut story = Story::bargained("[agreement]\nvalid_seconds = 100\n");
        assert!(lapse(story.federation(), &story.federation().rounds()[0], u64::MAX).is_none());
        story.serve();
        assert_eq!(of(&story, TIME + 100), "");
        assert!(of(&story, TIME + 101).ends_with("was over on 2023-11-14 22:15:00 UTC"));
        story.withdraw("agency", "our licence ended");
        assert!(
            of(&story, TIME).contains("took its expert back in entry 31"),
            "{}",
            of(&story, TIME)
        );
    }
}
