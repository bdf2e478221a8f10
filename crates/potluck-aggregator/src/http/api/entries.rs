//! `GET /api/v1/ledger/entries` and `/api/v1/ledger/entries/{index}`: the ledger in sentences, and each entry whole with
//! its proof.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use potluck_core::entry::{Kind, Record};
use potluck_core::{Author, Entry};
use potluck_log::TlogProof;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::answer::Seen;
use super::ask::{Asked, Nothing, Piece, limit};
use super::federation::Checkpoint;
use super::problem::{Common, Named, Problem};
use super::shape::{Listed, name};
use crate::http::here;
use crate::ledger::Standing;

/// An entry in a line
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EntryLine {
    /// Counted from 0
    index: u64,
    #[schema(example = "submit")]
    kind: &'static str,
    /// `operator`, or a party's name
    #[schema(example = "readers")]
    author: String,
    /// When the log took it in, in seconds since 1970-01-01 UTC
    time: u64,
    /// SHA-256 of its envelope, in hexadecimal
    digest: String,
    /// What happened
    #[schema(example = "readers handed in an expert.")]
    sentence: String,
}

impl EntryLine {
    pub(super) fn of(seen: &Seen<'_>, index: u64) -> Option<Self> {
        let line = seen.line(index)?;
        Some(Self {
            index,
            kind: line.kind.as_str(),
            author: name(&line.author),
            time: line.time,
            digest: line.envelope.to_string(),
            sentence: line.sentence.to_string(),
        })
    }
}

/// An entry, whole
#[derive(Debug, Serialize, ToSchema)]
struct EntryOf {
    #[serde(flatten)]
    line: EntryLine,
    /// What was signed, parsed; the bytes that count stand in the envelope
    #[schema(value_type = Object)]
    statement: serde_json::Value,
    /// The envelope's bytes: JSON as it was signed and hashed
    envelope: String,
    /// Where the same bytes are served as a file of the log
    envelope_path: String,
    /// The log's leaf: JSON as it was hashed
    record: String,
    /// The key that signed it
    key: SignedBy,
    /// That it stands in the ledger
    proof: Proof,
}

/// The key that signed an entry
#[derive(Debug, Serialize, ToSchema)]
struct SignedBy {
    /// Its id
    id: String,
    /// The key itself, as entries spell it
    key: Option<String>,
}

/// The proof that a leaf stands under a checkpoint
#[derive(Debug, Serialize, ToSchema)]
struct Proof {
    /// The whole proof in the form of C2SP `tlog-proof@v1`
    text: String,
    /// The hashes from the leaf's sibling up, in base64
    hashes: Vec<String>,
    /// Under which checkpoint
    checkpoint: Checkpoint,
}

/// Which entries
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The first to stand on the page: what `next` and the header `Link` named on the page before
    from: Option<u64>,
    /// How many, at most
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `asc`: from the founding on; `desc`: from the latest down
    #[param(inline)]
    order: Option<Order>,
    /// Only entries of this kind
    kind: Option<String>,
    /// Only what `operator` or this party said
    author: Option<String>,
}

/// In which order
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Asc,
    Desc,
}

/// The ledger's entries, a sentence each
#[utoipa::path(get, path = "/api/v1/ledger/entries", tag = "ledger", operation_id = "entries", params(Which),
    responses((status = 200, body = Listed<EntryLine>, headers(("Link", description = "the next page"))), Common))]
pub(super) async fn entries(asked: Asked<Which>) -> Response {
    asked.page(|seen| list(seen, &asked.query))
}

/// One entry: statement, envelope, and its proof against the latest checkpoint
#[utoipa::path(get, path = "/api/v1/ledger/entries/{index}", tag = "ledger", operation_id = "entry",
    params(("index" = u64, Path, description = "Its place, counted from 0")),
    responses((status = 200, body = EntryOf), Common, Named))]
pub(super) async fn entry(index: Piece, asked: Asked<Nothing>) -> Response {
    match read(&index, &asked).await {
        Ok((standing, read)) => asked.one_of(&standing, |seen| view(seen, read)),
        Err(problem) => problem.into_response(),
    }
}

type Shown = (u64, Entry, TlogProof);

/// Reads the entry and its proof from the store, which blocks.
async fn read(index: &Piece, asked: &Asked<Nothing>) -> Result<(Arc<Standing>, Shown), Problem> {
    let index = index.number("index")?;
    let aggregator = &asked.shared.aggregator;
    let _turn = asked.shared.reads.acquire().await.map_err(|_| Problem::internal())?;
    let standing = aggregator.standing();
    let shown = here(|| aggregator.ledger.shown(&standing, index)).map_err(Problem::from)?;
    let missing = || Problem::not_found("the ledger has no such entry, or not yet");
    let (entry, recorded) = shown.ok_or_else(missing)?;
    // Of our own making.
    let proof = recorded.into_receipt().proof.parse().map_err(|_| Problem::internal())?;
    Ok((standing, (index, entry, proof)))
}

fn view(seen: &Seen<'_>, (index, entry, proof): Shown) -> Result<EntryOf, Problem> {
    let envelope = entry.envelope();
    let record = Record::parse(entry.record()).map_err(|_| Problem::internal())?;
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|_| Problem::internal());
    let file = potluck_net::archive::ArchiveFile::Envelope(envelope.sha256());
    let key = seen.past.key(record.key).map(ToString::to_string);
    Ok(EntryOf {
        line: EntryLine::of(seen, index).ok_or_else(Problem::internal)?,
        statement: serde_json::from_slice(envelope.unverified_payload())
            .map_err(|_| Problem::internal())?,
        envelope: text(envelope.as_bytes())?,
        envelope_path: format!("/{file}"),
        record: text(entry.record())?,
        key: SignedBy { id: record.key.to_string(), key },
        proof: Proof {
            hashes: proof.inclusion().hashes().iter().map(ToString::to_string).collect(),
            text: proof.to_string(),
            checkpoint: Checkpoint::of(seen),
        },
    })
}

fn list(seen: &Seen<'_>, asked: &Which) -> Result<(Listed<EntryLine>, Option<String>), Problem> {
    let limit = limit(asked.limit)?;
    let kind = asked.kind.as_deref().map(kind).transpose()?;
    let author = asked.author.as_deref().map(author).transpose()?;
    let (size, order) = (seen.federation().size(), asked.order.unwrap_or_default());
    let is_asked = |index: &u64| {
        seen.line(*index).is_some_and(|line| {
            kind.is_none_or(|it| it == line.kind)
                && author.as_ref().is_none_or(|it| *it == line.author)
        })
    };
    let (from, last) = (asked.from, size.saturating_sub(1));
    let mut page = match (seen.past.listed(kind, author.as_ref()), order) {
        (None, Order::Asc) => take((from.unwrap_or(0)..size).filter(is_asked), limit + 1),
        (None, Order::Desc) => {
            take((0..=from.unwrap_or(last).min(last)).rev().filter(is_asked), limit + 1)
        }
        (Some(listed), Order::Asc) => {
            let first = listed.partition_point(|index| *index < from.unwrap_or(0));
            take(listed[first..].iter().copied().filter(is_asked), limit + 1)
        }
        (Some(listed), Order::Desc) => {
            let end = listed.partition_point(|index| *index <= from.unwrap_or(last).min(last));
            take(listed[..end].iter().rev().copied().filter(is_asked), limit + 1)
        }
    };
    let next = (page.len() > limit).then(|| page.pop()).flatten();
    let items = page.into_iter().filter_map(|index| EntryLine::of(seen, index)).collect();
    let total = (kind.is_none() && author.is_none()).then_some(size);
    let link = next.map(|next| link(next, limit, order, asked));
    Ok((Listed { items, total, next: next.map(|it| it.to_string()) }, link))
}

fn take(found: impl Iterator<Item = u64>, most: usize) -> Vec<u64> {
    found.take(most).collect()
}

fn link(next: u64, limit: usize, order: Order, asked: &Which) -> String {
    let mut link = format!("from={next}&limit={limit}");
    if order == Order::Desc {
        link.push_str("&order=desc");
    }
    // Both were read as names, which nothing has to escape.
    for (key, value) in [("kind", &asked.kind), ("author", &asked.author)] {
        if let Some(value) = value {
            link.push_str(&format!("&{key}={value}"));
        }
    }
    link
}

fn kind(text: &str) -> Result<Kind, Problem> {
    Kind::parse(text).ok_or_else(|| Problem::parameter("kind", "entries are of no such kind"))
}

fn author(text: &str) -> Result<Author, Problem> {
    if text == "operator" {
        return Ok(Author::Operator);
    }
    let party = text.parse().map(Author::Party);
    party.map_err(|error| Problem::parameter("author", format!("{error}")))
}
