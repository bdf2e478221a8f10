//! The server's side: one struct a state; what it may send are its methods.

use potluck_core::{Blake3, Code, Entry, Envelope, Refusal, Sha256};

use crate::message::{Ask, Blended, Compared, LedgerPage, Reply, Request, Wanted};
use crate::ranges::Ranges;
use crate::receipt::Receipt;
use crate::status::Status;

/// A request that was read, with the state that may answer it.
#[derive(Debug)]
pub enum Asked {
    /// For the ledger from an index on.
    Ledger(u64, AwaitPage),
    /// To record an envelope.
    Append(Envelope, AwaitReceipt),
    /// To record an envelope with content.
    Submit(Envelope, AwaitOffer),
    /// To bring a piece of the upload of an envelope.
    Bring(Sha256, AwaitPiece),
    /// For content.
    Fetch(Blake3, AwaitContent),
    /// To blend a round's soup.
    Blend(u64, AwaitSoup),
    /// To keep a cosignature.
    Cosign(String, AwaitKept),
    /// How the server stands.
    Status(AwaitStatus),
}

/// Reads a stream's first frame.
///
/// # Errors
/// A refusal that can be sent back as it is.
pub fn accept(body: &[u8]) -> Result<Asked, Refusal> {
    Ok(match Request::parse(body)?.ask {
        Ask::Ledger { from } => Asked::Ledger(from, AwaitPage(())),
        Ask::Append { envelope } => Asked::Append(parse(&envelope)?, AwaitReceipt(())),
        Ask::Submit { envelope, compares, pieces } => {
            Asked::Submit(parse(&envelope)?, AwaitOffer { compares, pieces })
        }
        Ask::Bring { envelope } => Asked::Bring(envelope, AwaitPiece(())),
        Ask::Fetch { blake3, ranges } => Asked::Fetch(blake3, AwaitContent(ranges)),
        Ask::Blend { round } => Asked::Blend(round, AwaitSoup(())),
        Ask::Cosign { checkpoint } => Asked::Cosign(checkpoint, AwaitKept(())),
        Ask::Status {} => Asked::Status(AwaitStatus(())),
    })
}

fn parse(envelope: &str) -> Result<Envelope, Refusal> {
    Envelope::parse(envelope.as_bytes())
        .map_err(|error| Refusal::new(Code::EnvelopeMalformed, error.to_string()))
}

/// A ledger page is due.
#[derive(Debug)]
pub struct AwaitPage(());

impl AwaitPage {
    /// The page, frame by frame, so that one entry at a time is turned into text.
    pub fn page(self, page: &LedgerPage) -> impl Iterator<Item = Reply> + '_ {
        let head = Reply::Ledger {
            checkpoint: page.checkpoint.clone(),
            cosigned: page.cosigned.clone(),
            // A usize fits in a u64 wherever this runs.
            count: page.entries.len() as u64,
        };
        std::iter::once(head).chain(page.entries.iter().map(entry))
    }
}

fn entry(entry: &Entry) -> Reply {
    Reply::Entry { record: text(entry.record()), envelope: text(entry.envelope().as_bytes()) }
}

/// Records and envelopes are JSON, which is UTF-8: nothing is ever replaced. A store that rotted shows as an
/// entry whose digest does not fit, which is where it is looked for.
fn text(json: &[u8]) -> String {
    String::from_utf8_lossy(json).into_owned()
}

/// A receipt is due.
#[derive(Debug)]
pub struct AwaitReceipt(());

impl AwaitReceipt {
    /// The envelope is recorded.
    pub fn recorded(self, receipt: Receipt) -> Reply {
        Reply::Receipt(receipt)
    }
}

/// A receipt is due, or the list of what is lacking.
#[derive(Debug)]
pub struct AwaitOffer {
    compares: bool,
    pieces: bool,
}

impl AwaitOffer {
    /// Whether the content comes in pieces on other streams, and none of it on this one.
    pub fn is_in_pieces(&self) -> bool {
        self.pieces
    }

    /// The look for what is there already goes on.
    pub fn progress(&self, done: u64, total: u64) -> Reply {
        Reply::Progress { done, total }
    }

    /// The envelope was recorded before.
    pub fn recorded(self, receipt: Receipt) -> Reply {
        Reply::Receipt(receipt)
    }

    /// Trees of hashes would be of use: the client sends them next. The state as it was where it cannot.
    ///
    /// # Errors
    /// This state, in which something else is to be said.
    pub fn compare(self, blobs: Vec<Compared>) -> Result<(AwaitWanted, Reply), Self> {
        if self.compares { Ok((AwaitWanted(()), Reply::Compare { blobs })) } else { Err(self) }
    }

    /// Content is lacking, or none is and only the verification is left: the client sends it next.
    pub fn wanted(self, wanted: &[Wanted]) -> (Receiving, Reply) {
        AwaitWanted(()).wanted(wanted)
    }
}

/// Trees of hashes come in and are compared; the list of what is lacking is due.
#[derive(Debug)]
pub struct AwaitWanted(());

impl AwaitWanted {
    /// How much came in; sent again while it is compared.
    pub fn progress(&self, done: u64, total: u64) -> Reply {
        Reply::Progress { done, total }
    }

    /// As [`AwaitOffer::wanted`].
    pub fn wanted(self, wanted: &[Wanted]) -> (Receiving, Reply) {
        (Receiving(()), Reply::Wanted { blobs: wanted.iter().map(Into::into).collect() })
    }
}

/// Content comes in, and is then verified.
#[derive(Debug)]
pub struct Receiving(());

impl Receiving {
    /// How much came in; sent again while it is verified.
    pub fn progress(&self, done: u64, total: u64) -> Reply {
        Reply::Progress { done, total }
    }

    /// The envelope is recorded.
    pub fn recorded(self, receipt: Receipt) -> Reply {
        Reply::Receipt(receipt)
    }
}

/// A piece is due to be named, which the client then brings.
#[derive(Debug)]
pub struct AwaitPiece(());

impl AwaitPiece {
    /// Others still bring theirs.
    pub fn progress(&self, done: u64, total: u64) -> Reply {
        Reply::Progress { done, total }
    }

    /// This piece is lacking; nothing where all has come.
    pub fn wanted(self, wanted: &[Wanted]) -> (ReceivingPiece, Reply) {
        (ReceivingPiece(()), Reply::Wanted { blobs: wanted.iter().map(Into::into).collect() })
    }
}

/// A piece comes in.
#[derive(Debug)]
pub struct ReceivingPiece(());

impl ReceivingPiece {
    /// How much came in.
    pub fn progress(&self, done: u64, total: u64) -> Reply {
        Reply::Progress { done, total }
    }

    /// It is here.
    pub fn brought(self) -> Reply {
        Reply::Brought {}
    }
}

/// Content is due.
#[derive(Debug)]
pub struct AwaitContent(Option<Vec<[u64; 2]>>);

impl AwaitContent {
    /// The content is there: the ranges whose stream follows the reply.
    ///
    /// # Errors
    /// A refusal where the ranges that were asked for are none of a file of `size` bytes.
    pub fn found(self, size: u64) -> Result<(Ranges, Reply), Refusal> {
        let ranges = match self.0 {
            Some(pairs) => Ranges::new(size, &pairs),
            None => Ranges::all(size),
        };
        match ranges {
            Ok(ranges) => Ok((ranges, Reply::Found { size })),
            Err(error) => Err(Refusal::new(Code::ProtocolError, error.to_string())),
        }
    }
}

/// It is to be said that a cosignature is kept.
#[derive(Debug)]
pub struct AwaitKept(());

impl AwaitKept {
    /// The cosignature is kept.
    pub fn kept(self) -> Reply {
        Reply::Cosigned {}
    }
}

/// It is to be said how the server stands.
#[derive(Debug)]
pub struct AwaitStatus(());

impl AwaitStatus {
    /// This is how.
    pub fn status(self, status: Status) -> Reply {
        Reply::Status(status)
    }
}

/// A soup is due.
#[derive(Debug)]
pub struct AwaitSoup(());

impl AwaitSoup {
    /// The blend goes on.
    pub fn progress(&self, done: u64, total: u64) -> Reply {
        Reply::Progress { done, total }
    }

    /// The soup is made.
    pub fn blended(self, blended: Blended) -> Reply {
        Reply::Blended { recipe: blended.recipe, soup: blended.soup }
    }
}
