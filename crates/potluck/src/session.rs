//! A member's or reader's session: connected, with the ledger verified; members say things in it.
//!
//! ```text
//! body ─▶ Statement in the author's chain ─▶ Envelope ─▶ append or submit ─▶ Receipt verified, kept ─▶ catch up
//! ```
//!
//! An envelope is a function of the ledger, the body and the key, so a command that was killed before its entry
//! was recorded signs the very same envelope again (but a submission's:
//! the key beside its author's lives for one signature, so what is signed again is another envelope of the same
//! statement; the log takes one of them). After it was recorded, the commands find what they would say
//! in the ledger, and say so instead of saying it twice.

use std::path::PathBuf;

use potluck_core::{Author, Body, Envelope, Federation, Kind, PublicKey, Signer, Statement};
use potluck_interchange::seal;
use potluck_log::VerifierKey;
use potluck_net::{Client, Content, Receipt, Transfer, Tuning};

use crate::clock::now;
use crate::failure::{Failure, in_full, warn};
use crate::folder::Folder;
use crate::ledger::{Ledger, Memory, Visit, cosign_line, unseen};
use crate::patience::patiently;
use crate::place::{Door, Member};
use crate::recorded::{keep, mismatch};

/// A connection and the verified ledger behind it.
pub(crate) struct Session {
    /// The connection.
    pub(crate) client: Client,
    /// The ledger as it was verified last.
    pub(crate) ledger: Ledger,
    log: VerifierKey,
    memory: Option<Memory>,
    witness: Option<Box<dyn Signer>>,
    /// What became of the latest cosignature.
    cosigning: Cosigning,
}

impl Session {
    /// Connects, and verifies the ledger.
    ///
    /// A reader that is a witness then cosigns the checkpoint. Where that fails the others go without its word, and
    /// it is said on standard error; the reader's own business goes on.
    pub(crate) async fn open(door: Door) -> Result<Self, Failure> {
        let client = door.connect().await?;
        let ledger = Ledger::read(&client, &door.log, door.memory.as_ref()).await?;
        let Door { log, memory, witness, .. } = door;
        let cosigning = Cosigning::NoWitness;
        let mut session = Self { client, ledger, log, memory, witness, cosigning };
        session.cosign().await;
        Ok(session)
    }

    /// Connects, and verifies the ledger from its genesis on while each entry is looked at.
    pub(crate) async fn open_whole(door: Door, visit: Visit<'_>) -> Result<Self, Failure> {
        let client = door.connect().await?;
        let ledger = Ledger::read_whole(&client, &door.log, door.memory.as_ref(), visit).await?;
        let Door { log, memory, witness, .. } = door;
        let cosigning = Cosigning::NoWitness;
        let mut session = Self { client, ledger, log, memory, witness, cosigning };
        session.cosign().await;
        Ok(session)
    }

    /// Reads the ledger from its genesis once more, where only that can tell whether what witnesses cosigned is of
    /// this history.
    pub(crate) async fn place_cosigned(&mut self) -> Result<(), Failure> {
        if self.ledger.is_cosigned_unplaced() {
            let memory = self.memory.as_ref();
            self.ledger = Ledger::read_whole(&self.client, &self.log, memory, &mut unseen).await?;
        }
        Ok(())
    }

    /// What became of this reader's cosignature on the checkpoint.
    pub(crate) fn cosigning(&self) -> &Cosigning {
        &self.cosigning
    }

    async fn cosign(&mut self) {
        self.cosigning = self.try_cosign().await.unwrap_or_else(|failure| {
            warn(format_args!("the checkpoint is not cosigned: {failure}"));
            Cosigning::Failed(failure)
        });
    }

    /// Cosigns the checkpoint, unless that is done. It extends all that this reader saw, or it would not be here.
    async fn try_cosign(&self) -> Result<Cosigning, Failure> {
        let (Some(witness), Some(_)) = (&self.witness, &self.memory) else {
            return Ok(Cosigning::NoWitness);
        };
        let (federation, checkpoint) = (self.ledger.federation(), self.ledger.checkpoint());
        let line = cosign_line(federation, checkpoint, witness.as_ref(), now()?);
        let Some((key, line)) = line.map_err(Failure::system)? else {
            return Ok(Cosigning::NoWitness);
        };
        let keys = [key];
        let known = [Some(checkpoint), self.ledger.cosigned()];
        let is_done = known.into_iter().flatten().any(|it| {
            it.size() == checkpoint.size()
                && it.root() == checkpoint.root()
                && it.cosigned_by(&keys).is_ok_and(|by| !by.is_empty())
        });
        if is_done {
            return Ok(Cosigning::Before);
        }
        let mut cosigned = checkpoint.clone();
        cosigned.add_cosignatures(&line, &keys).map_err(Failure::system)?;
        self.client.cosign(cosigned.note().to_owned()).await?;
        Ok(Cosigning::Done)
    }

    /// What the ledger amounts to.
    pub(crate) fn federation(&self) -> &Federation {
        self.ledger.federation()
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        self.client.close().await;
    }
}

/// What became of a cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cosigning {
    /// The reader has no key of a witness, or remembers nothing.
    NoWitness,
    /// The checkpoint bears it already.
    Before,
    /// It is handed in.
    Done,
    /// It could not be made or handed in.
    Failed(Failure),
}

/// A session of a member, who can speak in it.
pub(crate) struct MemberSession {
    session: Session,
    author: Author,
    key: Box<dyn Signer>,
    receipts: PathBuf,
}

/// What was recorded, and where its receipt is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// Its place in the ledger.
    pub(crate) index: u64,
    /// The receipt's file.
    pub(crate) receipt: PathBuf,
}

impl MemberSession {
    /// Connects with the key of a member's folder, and verifies the ledger.
    pub(crate) async fn open(member: &Member, folder: &Folder) -> Result<Self, Failure> {
        Self::open_tuned(member, folder, Tuning::default()).await
    }

    /// As [`Self::open`], over a line that its user knows.
    pub(crate) async fn open_tuned(
        member: &Member,
        folder: &Folder,
        tuning: Tuning,
    ) -> Result<Self, Failure> {
        let session = Session::open(Door { tuning, ..member.door(folder)? }).await?;
        Ok(Self {
            session,
            author: folder.author().clone(),
            key: folder.signer()?,
            receipts: folder.receipts(),
        })
    }

    /// A session of somebody who is about to become a member, through a door of another key.
    pub(crate) async fn newcomer(
        door: Door,
        author: Author,
        key: Box<dyn Signer>,
        receipts: PathBuf,
    ) -> Result<Self, Failure> {
        Ok(Self { session: Session::open(door).await?, author, key, receipts })
    }

    /// What the ledger amounts to.
    pub(crate) fn federation(&self) -> &Federation {
        self.session.federation()
    }

    /// The ledger as it was verified last.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.session.ledger
    }

    /// What signs as this member.
    pub(crate) fn signer(&self) -> &dyn Signer {
        self.key.as_ref()
    }

    /// The connection.
    pub(crate) fn client(&self) -> &Client {
        &self.session.client
    }

    /// Signs and records what speaks of no content to be sent.
    pub(crate) async fn say(&mut self, body: Body) -> Result<Said, Failure> {
        let envelope = self.sign(body)?;
        let receipt = patiently(async || self.session.client.append(&envelope).await).await;
        let receipt = receipt.map_err(|error| self.explain(error.into()))?;
        self.settle(&envelope, receipt).await
    }

    /// Signs and records a submission, and sends what the aggregator lacks of its content, over `others` too.
    pub(crate) async fn submit(
        &mut self,
        body: Body,
        content: &[Content],
        others: &[Client],
        mut progress: impl FnMut(Transfer) + Send,
    ) -> Result<Said, Failure> {
        let envelope = self.sign(body)?;
        let client = &self.session.client;
        let receipt = patiently(async || match others {
            [] => client.submit(&envelope, content, &mut progress).await,
            _ => client.submit_over(others, &envelope, content, &mut progress).await,
        })
        .await;
        let receipt = receipt.map_err(|error| self.explain(error.into()))?;
        self.settle(&envelope, receipt).await
    }

    /// Finds in the ledger what this member said before; nothing where the ledger knows its author by another key.
    ///
    /// Whoever took a member's name and repeats its words has said nothing yet, and is to be refused.
    pub(crate) fn find_own(&self, find: impl FnOnce(&Ledger) -> Option<u64>) -> Option<u64> {
        if !is_known(self.federation(), &self.author, &self.key.public()) {
            return None;
        }
        find(self.ledger())
    }

    /// What was said in an earlier command; its receipt is asked for again if it is not kept yet.
    pub(crate) async fn said_before(&mut self, index: u64) -> Result<Said, Failure> {
        let mut kept = self.receipts_of(index)?;
        if let Some(receipt) = kept.pop() {
            return Ok(Said { index, receipt });
        }
        let page = self.client().ledger(index).await?;
        let missing = || {
            let message = format!("the log does not show entry {index} any more");
            Failure::unverified("protocol-error", message)
        };
        let envelope = page.entries.first().ok_or_else(missing)?.envelope().clone();
        // An envelope that is recorded is not appended again: what comes is its receipt.
        let receipt = match envelope.domain().kind {
            Kind::Submit => self.client().submit(&envelope, &[], |_| ()).await,
            _ => self.client().append(&envelope).await,
        };
        let said = self.settle(&envelope, receipt.map_err(Failure::from)?).await?;
        if said.index != index { Err(missing()) } else { Ok(said) }
    }

    /// The receipts that are kept of an entry: one, or none.
    fn receipts_of(&self, index: u64) -> Result<Vec<PathBuf>, Failure> {
        let failed = |error: std::io::Error| {
            Failure::system(format!("cannot read {}: {error}", self.receipts.display()))
        };
        let entries = match std::fs::read_dir(&self.receipts) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let begins = format!("{index}-");
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let text = name.to_string_lossy();
            if text.starts_with(&begins) && text.ends_with(".json") {
                found.push(self.receipts.join(name));
            }
        }
        Ok(found)
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        self.session.close().await;
    }

    fn sign(&self, body: Body) -> Result<Envelope, Failure> {
        // Who is not in the ledger has no chain; the aggregator's refusal then says so.
        let chain = self.federation().members().get(&self.author);
        let statement = Statement {
            author: self.author.clone(),
            sequence: chain.map_or(0, |chain| chain.next),
            previous: chain.and_then(|chain| chain.previous),
            body,
        };
        seal(self.federation(), &statement, self.key.as_ref(), now()?)
            .map_err(|error| Failure::system(in_full(&error)))
    }

    /// Verifies and keeps the receipt, then sees the entry in the ledger as everybody does.
    async fn settle(&mut self, envelope: &Envelope, receipt: Receipt) -> Result<Said, Failure> {
        let verified = receipt.verify(envelope, &self.session.log).map_err(mismatch)?;
        let said = self.place_of(receipt.index, envelope.domain().kind);
        keep(&said.receipt, envelope, &receipt)?;
        let promised = verified.checkpoint();
        self.session.catch_up(promised.size()).await?;
        if self.ledger().root_at(promised.size()) != Some(promised.root()) {
            let message = "the receipt's checkpoint is not one that the log's entries lead to";
            return Err(Failure::unverified("fork", message)
                .hint(format!("{} is the evidence; show it", said.receipt.display())));
        }
        Ok(said)
    }

    fn place_of(&self, index: u64, kind: Kind) -> Said {
        let receipt = self.receipts.join(format!("{index}-{}.json", kind.as_str()));
        Said { index, receipt }
    }

    /// Adds to a refusal what its reader can do about it.
    fn explain(&self, failure: Failure) -> Failure {
        match (failure.code(), &self.author) {
            ("key-unknown", Author::Party(party)) => {
                let key = self.key.public();
                failure.hint(format!("the operator lets you in with: potluck admit {party} {key}"))
            }
            ("sequence-wrong", _) => failure.hint("run the command again: the ledger moved on"),
            ("busy" | "too-slow" | "storage-full", _) => {
                failure.hint("run the command again in a while: what was sent is kept")
            }
            _ => failure,
        }
    }
}

impl Session {
    async fn catch_up(&mut self, watch: u64) -> Result<(), Failure> {
        let (ledger, memory) = (self.ledger.clone(), self.memory.as_ref());
        self.ledger = ledger.catch_up(&self.client, &self.log, memory, watch).await?;
        self.cosign().await;
        Ok(())
    }
}

/// Whether the author signs with this key.
fn is_known(federation: &Federation, author: &Author, key: &PublicKey) -> bool {
    federation.members().get(author).is_some_and(|member| member.sign == Some(*key))
}

#[cfg(test)]
mod tests {
    use potluck_core::PrivateKey;

    use super::*;
    use crate::samples::Story;

    #[test]
    fn a_name_is_not_a_key() {
        let story = Story::published();
        let federation = story.federation();
        let agency = Author::Party("agency".parse().unwrap());
        let key = federation.members().get(&agency).unwrap().sign.unwrap();
        assert!(is_known(federation, &agency, &key));
        assert!(!is_known(federation, &Author::Operator, &key));
        assert!(!is_known(federation, &agency, &PrivateKey::from_seed(&[9; 32]).public()));
    }
}
