//! A member's or reader's session: connected, with the ledger verified; members say things in it.
//!
//! ```text
//! body ─▶ Statement in the author's chain ─▶ Envelope ─▶ append or submit ─▶ Receipt verified, kept ─▶ catch up
//! ```
//!
//! An envelope is a function of the ledger, the body and the key, so a command that was killed before its entry
//! was recorded signs the very same envelope again. After it was recorded, the commands find what they would say
//! in the ledger, and say so instead of saying it twice.

use std::path::{Path, PathBuf};

use potluck_core::{Author, Body, Envelope, Federation, Kind, PublicKey, Signer, Statement};
use potluck_interchange::seal;
use potluck_log::VerifierKey;
use potluck_net::{Client, Content, Receipt, Transfer, connect, connect_x509};
use potluck_wire::receipt::ReceiptError;
use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::durable::{self, Readers};
use crate::failure::{Failure, Kind as Blame, in_full};
use crate::folder::Folder;
use crate::ledger::{Ledger, Memory};
use crate::place::{Door, Member};

/// A connection and the verified ledger behind it.
#[derive(Debug)]
pub(crate) struct Session {
    /// The connection.
    pub(crate) client: Client,
    /// The ledger as it was verified last.
    pub(crate) ledger: Ledger,
    log: VerifierKey,
    memory: Option<Memory>,
}

impl Session {
    /// Connects, and verifies the ledger.
    pub(crate) async fn open(door: &Door) -> Result<Self, Failure> {
        let (address, server) = (&door.address, door.server()?);
        let client = match &door.pki {
            Some(pki) => connect_x509(address, &server, &door.identity, pki).await?,
            None => connect(address, &server, &door.identity).await?,
        };
        let ledger = Ledger::read(&client, &door.log, door.memory.as_ref()).await?;
        Ok(Self { client, ledger, log: door.log.clone(), memory: door.memory.clone() })
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
        let door = member.door(folder)?;
        let session = Session::open(&door).await?;
        Ok(Self {
            session,
            author: folder.author().clone(),
            key: folder.signer()?,
            receipts: folder.receipts(),
        })
    }

    /// A session of somebody who is about to become a member, through a door of another key.
    pub(crate) async fn newcomer(
        door: &Door,
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

    /// The connection.
    pub(crate) fn client(&self) -> &Client {
        &self.session.client
    }

    /// Signs and records what speaks of no content to be sent.
    pub(crate) async fn say(&mut self, body: Body) -> Result<Said, Failure> {
        let envelope = self.sign(body)?;
        let receipt = self.session.client.append(&envelope).await;
        let receipt = receipt.map_err(|error| self.explain(error.into()))?;
        self.settle(&envelope, receipt).await
    }

    /// Signs and records a submission, and sends what the aggregator lacks of its content.
    pub(crate) async fn submit(
        &mut self,
        body: Body,
        content: &[Content],
        progress: impl FnMut(Transfer) + Send,
    ) -> Result<Said, Failure> {
        let envelope = self.sign(body)?;
        let receipt = self.session.client.submit(&envelope, content, progress).await;
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

    /// What was said in an earlier command; its receipt is made from the ledger if it is not kept yet.
    pub(crate) fn said_before(&self, index: u64) -> Result<Said, Failure> {
        let line = usize::try_from(index).ok().and_then(|at| self.ledger().lines().get(at));
        let known = line.zip(self.ledger().receipt(index));
        let (line, receipt) =
            known.ok_or_else(|| Failure::system(format!("the ledger has no entry {index}")))?;
        let said = self.place_of(index, line.kind());
        if !said.receipt.exists() {
            keep(&said.receipt, line.entry.envelope(), &receipt)?;
        }
        Ok(said)
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
        self.session.catch_up().await?;
        let promised = verified.checkpoint();
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
            ("busy", _) => failure.hint("run the command again in a while: what was sent is kept"),
            _ => failure,
        }
    }
}

impl Session {
    async fn catch_up(&mut self) -> Result<(), Failure> {
        self.ledger.catch_up(&self.client, &self.log, self.memory.as_ref()).await
    }
}

/// Whether the author signs with this key.
fn is_known(federation: &Federation, author: &Author, key: &PublicKey) -> bool {
    federation.members().get(author).is_some_and(|member| member.sign == Some(*key))
}

/// A receipt as it is kept: with the envelope that it speaks of, so that it can be verified alone.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeptReceipt {
    /// The envelope's text.
    pub(crate) envelope: String,
    index: u64,
    record: String,
    proof: String,
}

impl KeptReceipt {
    /// The receipt itself.
    pub(crate) fn into_receipt(self) -> Receipt {
        Receipt { index: self.index, record: self.record, proof: self.proof }
    }
}

/// A receipt that does not verify.
pub(crate) fn mismatch(error: ReceiptError) -> Failure {
    Failure::unverified("receipt-mismatch", in_full(&error))
}

fn keep(path: &Path, envelope: &Envelope, receipt: &Receipt) -> Result<(), Failure> {
    let kept = KeptReceipt {
        envelope: String::from_utf8_lossy(envelope.as_bytes()).into_owned(),
        index: receipt.index,
        record: receipt.record.clone(),
        proof: receipt.proof.clone(),
    };
    let text = serde_json::to_vec_pretty(&kept).map_err(Failure::system)?;
    durable::write(path, &text, Readers::Anyone).map_err(|error| {
        let message = format!("cannot keep the receipt {}: {error}", path.display());
        Failure::new(Blame::System, "local-failure", message)
            .hint("the entry is recorded; run the command again for its receipt")
    })
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

    #[test]
    fn a_kept_receipt_verifies_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("receipts/3-submit.json");
        let ledger = Story::published().ledger();
        let envelope = ledger.lines()[3].entry.envelope();
        keep(&path, envelope, &ledger.receipt(3).unwrap()).unwrap();
        let kept: KeptReceipt = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let envelope = Envelope::parse(kept.envelope.as_bytes()).unwrap();
        assert_eq!(kept.into_receipt().verify(&envelope, &Story::log_key()).unwrap().index(), 3);
    }
}
