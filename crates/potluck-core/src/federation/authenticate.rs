//! Who really said it: the questions that come before any other.

use crate::admission::{Code, Refusal};
use crate::entry::{Author, Body, Entry, Genesis, Record, Statement};
use crate::envelope::Envelope;
use crate::federation::Federation;
use crate::ids::FederationId;

/// Evidence that a statement is its author's next one: signed for this federation by the author's active key.
#[derive(Debug, Clone)]
pub struct Authentic {
    statement: Statement,
    record: Record,
    envelope: Envelope,
}

impl Authentic {
    /// What was said.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The leaf that the log will hold for it.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The entry to append.
    pub fn into_entry(self) -> Entry {
        Entry::new(&self.record, self.envelope)
    }
}

impl Federation {
    /// Verifies an envelope and its place in its author's chain.
    ///
    /// # Errors
    /// [`Refusal`], in this order: `federation-mismatch`, `key-unknown`, `signature-invalid`,
    /// `statement-malformed`, `author-mismatch`, `sequence-wrong`.
    pub fn authenticate(&self, envelope: &Envelope) -> Result<Authentic, Refusal> {
        if envelope.domain().federation != Some(self.id) {
            return refuse(
                Code::FederationMismatch,
                "the envelope was signed for another federation",
            );
        }
        let Some(owner) = self.owner(envelope.key()) else {
            let sentence =
                format!("key {} is not active in this federation", envelope.key().short());
            return refuse(Code::KeyUnknown, sentence);
        };
        let chain = &self.authors[owner];
        let Ok(payload) = envelope.open(&chain.key) else {
            return refuse(
                Code::SignatureInvalid,
                format!("the signature of {owner} does not verify"),
            );
        };
        let statement = parse(envelope, payload)?;
        if statement.author != *owner {
            let sentence = format!("signed by {owner}, but it speaks for {}", statement.author);
            return refuse(Code::AuthorMismatch, sentence);
        }
        if (statement.sequence, statement.previous) != (chain.next, chain.previous) {
            let sentence = format!(
                "entry {} of {owner} came where entry {} is next, or does not follow its previous one",
                statement.sequence, chain.next
            );
            return refuse(Code::SequenceWrong, sentence);
        }
        Ok(authentic(envelope, statement))
    }
}

/// Verifies a genesis, which names the key that must have signed it.
///
/// Parsing comes before verification here and nowhere else; nothing of it is used unless the signature holds.
pub(super) fn genesis(envelope: &Envelope) -> Result<(FederationId, Genesis, Authentic), Refusal> {
    if envelope.domain().federation.is_some() {
        return refuse(Code::FederationMismatch, "the first entry is not a genesis");
    }
    let payload = envelope.unverified_payload();
    let statement = parse(envelope, payload)?;
    let Body::Genesis(genesis) = &statement.body else {
        return refuse(Code::StatementMalformed, "the first entry is not a genesis");
    };
    let genesis = Genesis::clone(genesis);
    if genesis.operator.id() != envelope.key() || genesis.operator == genesis.log {
        return refuse(Code::KeyUnknown, "the genesis is not signed by the operator that it names");
    }
    if envelope.open(&genesis.operator).is_err() {
        return refuse(Code::SignatureInvalid, "the signature of the genesis does not verify");
    }
    if (&statement.author, statement.sequence, statement.previous) != (&Author::Operator, 0, None) {
        return refuse(Code::SequenceWrong, "a genesis is its operator's first entry");
    }
    Ok((FederationId::of_genesis(payload), genesis, authentic(envelope, statement)))
}

/// A genesis that its operator just signed, ready to be founded and appended.
///
/// # Errors
/// As [`Federation::found`].
pub fn genesis_entry(envelope: &Envelope) -> Result<Entry, Refusal> {
    genesis(envelope).map(|(_, _, authentic)| authentic.into_entry())
}

fn parse(envelope: &Envelope, payload: &[u8]) -> Result<Statement, Refusal> {
    let statement: Statement = serde_json::from_slice(payload).map_err(|error| {
        Refusal::new(Code::StatementMalformed, format!("the payload is no statement: {error}"))
    })?;
    if statement.body.kind() != envelope.domain().kind {
        return refuse(
            Code::StatementMalformed,
            "the payload is not of the kind that its type says",
        );
    }
    // Repeated names and fields given as a list are read in more than one way; white space is room for anything.
    if statement.to_payload() != payload {
        return refuse(
            Code::StatementMalformed,
            "the payload is not compact JSON with its fields in their order",
        );
    }
    Ok(statement)
}

fn authentic(envelope: &Envelope, statement: Statement) -> Authentic {
    let record = Record::of(envelope, &statement);
    Authentic { statement, record, envelope: envelope.clone() }
}

fn refuse<T>(code: Code, sentence: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::new(code, sentence))
}
