//! Whether a statement may stand: what its author, its kind and the state demand.

use crate::admission::{Code, Refusal};
use crate::charter::Charter;
use crate::entry::{Author, Body, Publish, Submission};
use crate::federation::{Authentic, Federation};

impl Federation {
    /// Asks of an authentic statement all that its author, its kind and the state demand at the log's `time`; changes
    /// nothing.
    ///
    /// # Errors
    /// [`Refusal`] with the first question that it failed.
    pub fn check(&self, authentic: &Authentic, time: u64) -> Result<(), Refusal> {
        match (&authentic.statement().author, &authentic.statement().body) {
            (Author::Operator, Body::Admit(admit)) => self.check_admit(admit),
            (Author::Operator, Body::Invite(invite)) => self.check_invite(invite),
            (Author::Party(party), Body::Join(join)) => self.check_join(party, join, time),
            (Author::Operator, Body::Suspend(suspend)) => self.check_suspend(suspend),
            (Author::Operator, Body::Reinstate(reinstate)) => self.check_reinstate(reinstate),
            (author, Body::RotateKey(rotate)) => self.check_rotate(author, rotate),
            (author, Body::RevokeKey(revoke)) => self.check_revoke(author, revoke),
            (author, Body::RecoverKey(recover)) => self.check_recover(author, recover),
            (Author::Operator, Body::OpenRound(open)) => self.check_open(open),
            (Author::Operator, Body::Publish(publish)) => self.check_publish(publish),
            (Author::Party(_), Body::Submit(submission)) => self.check_submission(submission),
            (Author::Party(party), Body::Reveal(reveal)) => self.check_reveal(party, reveal, time),
            (Author::Party(party), Body::Commit(commit)) => self.check_commit(party, commit, time),
            (_, Body::CloseRound(close)) => self.check_close(close, time),
            (Author::Party(party), Body::Nominate(it)) => self.check_nominate(party, it, time),
            (Author::Party(party), Body::CommitScores(it)) => {
                self.check_commit_scores(party, it, time)
            }
            (Author::Party(party), Body::RevealScores(it)) => {
                self.check_reveal_scores(party, it, time)
            }
            (Author::Party(party), Body::Ratify(ratify)) => self.check_ratify(party, ratify, time),
            (Author::Party(party), Body::Withdraw(it)) => self.check_withdraw(party, it),
            (_, Body::Amend(amend)) => self.check_amend(amend),
            (Author::Party(party), Body::Endorse(it)) => self.check_endorse(party, it),
            (author, body) => {
                let sentence =
                    format!("{author} may not make an entry of kind {}", body.kind().as_str());
                Err(Refusal::new(Code::NotPermitted, sentence))
            }
        }
    }

    fn check_submission(&self, submission: &Submission) -> Result<(), Refusal> {
        if submission.base != self.base_weights().blake3 {
            let sentence = format!(
                "the expert was trained from weights {}, the federation's base has {}",
                submission.base.short(),
                self.base_weights().blake3.short()
            );
            return Err(Refusal::new(Code::BaseMismatch, sentence));
        }
        let file = match submission.manifest.files() {
            [file] if file.path == self.charter.expert_file() => file,
            _ => return Err(Refusal::new(Code::ManifestRefused, what_an_expert_is(&self.charter))),
        };
        let limit = self.charter.limits().expert_bytes;
        if file.size > limit {
            let sentence =
                format!("the expert has {} bytes, the charter allows {limit}", file.size);
            return Err(Refusal::new(Code::ExpertTooLarge, sentence));
        }
        Ok(())
    }

    fn check_publish(&self, publish: &Publish) -> Result<(), Refusal> {
        let round = self.current(publish.round)?;
        if round.soup.is_some() {
            let sentence = format!("the soup of round {} is published already", round.number);
            return Err(Refusal::new(Code::RoundWrong, sentence));
        }
        if round.agreement.is_some() && round.is_unratified(&self.charter) {
            let sentence = format!("the agreement of round {} is not ratified yet", round.number);
            return Err(Refusal::new(Code::RoundEarly, sentence));
        }
        if self.recipe(round)? != publish.recipe {
            let sentence = "the recipe is not the one that follows from the round's agreement";
            return Err(Refusal::new(Code::RecipeMismatch, sentence));
        }
        if publish.soup.path != self.charter.expert_file() {
            let sentence = format!("a soup is one file called {}", self.charter.expert_file());
            return Err(Refusal::new(Code::ManifestRefused, sentence));
        }
        Ok(())
    }
}

fn what_an_expert_is(charter: &Charter) -> String {
    let file = charter.expert_file();
    match charter.adapters() {
        None => format!("an expert is one file called {file}"),
        Some(_) => format!(
            "an expert of this federation is a LoRA adapter, one file called {file}: push the folder with the \
             adapter, as PEFT saves it, not weights that it is merged into"
        ),
    }
}
