//! An entry in words: one sentence for people, said the same way wherever a ledger is told.
//!
//! It says who did what, and what followed from it. Nothing is decided by a sentence, and none is signed.

use super::Effect;
use crate::entry::{Author, Kind, Role, Stance};

impl Effect {
    /// What came of an entry, in some words without a subject of their own.
    pub fn words(&self) -> String {
        match self {
            Self::Admitted(party) => format!("{party} is in"),
            Self::Invited(party) => format!("{party} is invited"),
            Self::Suspended(party) => format!("{party} is suspended"),
            Self::Reinstated(party) => format!("{party} is no longer suspended"),
            Self::KeyChanged(author, role) => format!("{author} has a new {role} key"),
            Self::KeyRevoked(author, role) => format!("the {role} key of {author} is void"),
            Self::Vouched(author) => format!("a vote for a new key of {author}"),
            Self::Submitted(party) => format!("the expert of {party} is in"),
            Self::Opened(round) => format!("round {round} is open"),
            Self::Committed(party) => format!("{party} is committed"),
            Self::Waiting => "the round goes on to its next step".to_owned(),
            Self::Nominated(party) => format!("{party} nominated, or passed"),
            Self::Scored(party) => format!("{party} showed its scores"),
            Self::Stood(party, Stance::Ratify) => format!("{party} ratifies"),
            Self::Stood(party, Stance::Abstain) => format!("{party} abstains"),
            Self::Stood(party, Stance::Dissent) => format!("{party} objects"),
            Self::Withdrawn(party) => format!("{party} took its expert back"),
            Self::Proposed(charter) => format!("charter {} is put to the vote", charter.short()),
            Self::Endorsed(party) => format!("{party} endorsed a new charter"),
            Self::Amended(version) => format!("version {version} of the charter is in force"),
            Self::Revealed(party) => format!("{party} proposed"),
            Self::Agreed(agreement) => format!("agreed on {}", agreement.lambda),
            Self::Voided(round) => format!("round {round} was closed without an agreement"),
            Self::Published(round) => format!("the soup of round {round} is published"),
        }
    }
}

/// The entry of this kind, said by `author`, and what came of it, as one sentence.
pub fn sentence(author: &Author, kind: Kind, effects: &[Effect]) -> String {
    let mut text = match author {
        Author::Operator => "The operator".to_owned(),
        Author::Party(party) => party.to_string(),
    };
    text.push(' ');
    text.push_str(&deed(kind, effects));
    let followed = effects.iter().filter(|effect| is_consequence(kind, effect));
    for effect in followed {
        text.push_str("; ");
        match effect {
            Effect::Agreed(agreement) => {
                text.push_str(&format!("by that the parties agree on {}", agreement.lambda));
            }
            other => text.push_str(&other.words()),
        }
    }
    text.push('.');
    text
}

fn deed(kind: Kind, effects: &[Effect]) -> String {
    match (kind, effects.first()) {
        (Kind::Genesis, _) => "founded the federation".to_owned(),
        (Kind::Admit, Some(Effect::Admitted(party))) => format!("admitted {party}"),
        (Kind::Invite, Some(Effect::Invited(party))) => format!("invited {party}"),
        (Kind::Join, _) => "joined".to_owned(),
        (Kind::Suspend, Some(Effect::Suspended(party))) => format!("suspended {party}"),
        (Kind::Reinstate, Some(Effect::Reinstated(party))) => {
            format!("ended the suspension of {party}")
        }
        (Kind::RotateKey, Some(Effect::KeyChanged(_, role))) => rotated(*role),
        (Kind::RevokeKey, Some(Effect::KeyRevoked(of, role))) => {
            format!("declared the {role} key of {of} void")
        }
        (
            Kind::RecoverKey,
            Some(Effect::Vouched(of) | Effect::KeyChanged(of, _) | Effect::KeyRevoked(of, _)),
        ) => format!("vouched for a new key of {of}"),
        (Kind::Submit, _) => "handed in an expert".to_owned(),
        (Kind::OpenRound, Some(Effect::Opened(round))) => format!("opened round {round}"),
        (Kind::Commit, _) => "bound itself to a proposal".to_owned(),
        (Kind::Reveal, _) => "showed what it proposes".to_owned(),
        (Kind::CloseRound, _) => "ended a wait whose time was over".to_owned(),
        (Kind::Nominate, _) => "nominated a candidate, or passed".to_owned(),
        (Kind::CommitScores, _) => "bound itself to its scores".to_owned(),
        (Kind::RevealScores, _) => "showed its scores".to_owned(),
        (Kind::Ratify, Some(Effect::Stood(_, stance))) => stood(*stance).to_owned(),
        (Kind::Publish, Some(Effect::Published(round))) => {
            format!("published the soup of round {round}")
        }
        (Kind::Withdraw, _) => "took its expert back".to_owned(),
        (Kind::Amend, _) => "put a new charter to the vote".to_owned(),
        (Kind::Endorse, _) => "endorsed a new charter".to_owned(),
        (other, _) => format!("said {}", other.as_str()),
    }
}

fn rotated(role: Role) -> String {
    match role {
        Role::Log => "put another key of the log in the place of the one before".to_owned(),
        role => format!("replaced its {role} key, or set its first"),
    }
}

fn stood(stance: Stance) -> &'static str {
    match stance {
        Stance::Ratify => "ratified the agreement",
        Stance::Abstain => "let the agreement pass without its voice",
        Stance::Dissent => "objected to the agreement",
    }
}

/// Whether an effect says more than what was done: what followed from it.
fn is_consequence(kind: Kind, effect: &Effect) -> bool {
    match effect {
        Effect::Agreed(_) | Effect::Voided(_) | Effect::Amended(_) | Effect::Waiting => true,
        Effect::KeyChanged(..) => kind == Kind::RecoverKey,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_says_who_did_what_and_what_followed() {
        let party = |name: &str| Author::Party(name.parse().unwrap());
        let said = |author: &Author, kind, effects: &[Effect]| sentence(author, kind, effects);
        assert_eq!(
            said(&Author::Operator, Kind::Genesis, &[]),
            "The operator founded the federation."
        );
        let admitted = [Effect::Admitted("agency".parse().unwrap())];
        assert_eq!(
            said(&Author::Operator, Kind::Admit, &admitted),
            "The operator admitted agency."
        );
        let recovered = [Effect::KeyChanged(party("agency"), Role::Sign)];
        assert_eq!(
            said(&party("readers"), Kind::RecoverKey, &recovered),
            "readers vouched for a new key of agency; agency has a new sign key."
        );
        let stood = [Effect::Stood("readers".parse().unwrap(), Stance::Dissent), Effect::Voided(3)];
        assert_eq!(
            said(&party("readers"), Kind::Ratify, &stood),
            "readers objected to the agreement; round 3 was closed without an agreement."
        );
    }
}
