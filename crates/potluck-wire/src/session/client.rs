//! The client's side: each call takes the server's replies one by one and says where it stands.

use potluck_core::{Blake3, Entry, Envelope, FileEntry, Refusal};

use crate::message::{Ask, Blended, Compared, LedgerPage, Reply, Request, Wanted, WantedText};
use crate::ranges::Ranges;
use crate::receipt::Receipt;
use crate::status::Status;

/// The most entries in one page of the ledger.
pub const MAX_PAGE_ENTRIES: u64 = 1 << 20;

/// The most that a page's records and envelopes may take together, in bytes: what a client keeps in memory.
pub const MAX_PAGE_BYTES: usize = 256 << 20;

/// Where a call stands after a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// More replies are due.
    More,
    /// More replies are due; so much is done, of so much (0: unknown).
    Progress(u64, u64),
    /// The call's answer.
    Done(T),
}

/// A call that will not be answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The server refused.
    #[error(transparent)]
    Refused(Refusal),
    /// The server broke the protocol.
    #[error("{0}")]
    Violation(String),
}

fn unexpected<T>(reply: Reply, due: &str) -> Result<T, Ended> {
    match reply {
        Reply::Refused(refusal) => Err(Ended::Refused(refusal)),
        other => Err(Ended::Violation(format!("'{}' where {due} is due", other.name()))),
    }
}

fn envelope_text(envelope: &Envelope) -> String {
    String::from_utf8_lossy(envelope.as_bytes()).into_owned()
}

/// Asks for the ledger.
#[derive(Debug)]
pub struct LedgerCall {
    page: Option<Page>,
}

#[derive(Debug)]
struct Page {
    page: LedgerPage,
    left: u64,
    room: usize,
}

impl LedgerCall {
    /// Asks for the entries from `from` on.
    pub fn new(from: u64) -> (Self, Request) {
        (Self { page: None }, Request::new(Ask::Ledger { from }))
    }

    /// Takes a reply.
    ///
    /// # Errors
    /// [`Ended`]; a page of more than [`MAX_PAGE_ENTRIES`] or [`MAX_PAGE_BYTES`] is a violation.
    pub fn on(&mut self, reply: Reply) -> Result<Step<LedgerPage>, Ended> {
        let page = match (self.page.take(), reply) {
            (None, Reply::Ledger { checkpoint, cosigned, count }) => {
                begin(checkpoint, cosigned, count)?
            }
            (Some(page), Reply::Entry { record, envelope }) => add(page, &record, &envelope)?,
            (None, other) => return unexpected(other, "'ledger'"),
            (Some(_), other) => return unexpected(other, "'entry'"),
        };
        if page.left == 0 {
            return Ok(Step::Done(page.page));
        }
        self.page = Some(page);
        Ok(Step::More)
    }
}

fn begin(checkpoint: String, cosigned: Option<String>, count: u64) -> Result<Page, Ended> {
    if count > MAX_PAGE_ENTRIES {
        return Err(Ended::Violation(format!("a page of {count} entries")));
    }
    // Nothing is reserved for `count`: memory follows what arrives.
    let page = LedgerPage { checkpoint, cosigned, entries: Vec::new() };
    Ok(Page { page, left: count, room: MAX_PAGE_BYTES })
}

fn add(mut page: Page, record: &str, envelope: &str) -> Result<Page, Ended> {
    let violation = |what: String| Ended::Violation(what);
    page.room = page
        .room
        .checked_sub(record.len() + envelope.len())
        .ok_or_else(|| violation(format!("a page of more than {MAX_PAGE_BYTES} bytes")))?;
    let entry = Entry::parse(record.as_bytes(), envelope.as_bytes())
        .map_err(|error| violation(format!("an entry that is none: {error}")))?;
    page.page.entries.push(entry);
    page.left -= 1;
    Ok(page)
}

/// Asks to record an envelope.
#[derive(Debug)]
pub struct AppendCall(());

impl AppendCall {
    /// Asks to record `envelope`.
    pub fn new(envelope: &Envelope) -> (Self, Request) {
        (Self(()), Request::new(Ask::Append { envelope: envelope_text(envelope) }))
    }

    /// Takes a reply.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn on(&mut self, reply: Reply) -> Result<Step<Receipt>, Ended> {
        match reply {
            Reply::Receipt(receipt) => Ok(Step::Done(receipt)),
            other => unexpected(other, "'receipt'"),
        }
    }
}

/// Asks to keep a cosignature.
#[derive(Debug)]
pub struct CosignCall(());

impl CosignCall {
    /// Hands in a checkpoint with a cosignature on it.
    pub fn new(checkpoint: String) -> (Self, Request) {
        (Self(()), Request::new(Ask::Cosign { checkpoint }))
    }

    /// Takes a reply.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn on(&mut self, reply: Reply) -> Result<Step<()>, Ended> {
        match reply {
            Reply::Cosigned {} => Ok(Step::Done(())),
            other => unexpected(other, "'cosigned'"),
        }
    }
}

/// Asks how the server stands.
#[derive(Debug)]
pub struct StatusCall(());

impl StatusCall {
    /// Asks for it.
    pub fn new() -> (Self, Request) {
        (Self(()), Request::new(Ask::Status {}))
    }

    /// Takes a reply.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn on(&mut self, reply: Reply) -> Result<Step<Status>, Ended> {
        match reply {
            Reply::Status(status) => Ok(Step::Done(status)),
            other => unexpected(other, "'status'"),
        }
    }
}

/// What the server answers to a submission.
#[derive(Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is recorded.
    Recorded(Receipt),
    /// The trees of hashes of these are to be sent, in this order; what is lacking is said then.
    Compare(Vec<Compared>),
    /// This is lacking; it is to be sent in this order.
    Wanted(Vec<Wanted>),
}

/// Asks to record an envelope with content.
#[derive(Debug)]
pub struct SubmitCall {
    files: Vec<FileEntry>,
    compares: bool,
}

impl SubmitCall {
    /// Asks to record `envelope`, whose content `files` can be sent.
    pub fn new(envelope: &Envelope, files: Vec<FileEntry>) -> (Self, Request) {
        Self::asking(envelope, files, (false, false))
    }

    /// As [`Self::new`], where the files' trees of hashes can be sent before.
    pub fn comparing(envelope: &Envelope, files: Vec<FileEntry>) -> (Self, Request) {
        Self::asking(envelope, files, (true, false))
    }

    /// As [`Self::comparing`], where the content comes in pieces on other streams ([`BringCall`]), and none of it on this one.
    pub fn in_pieces(envelope: &Envelope, files: Vec<FileEntry>) -> (Self, Request) {
        Self::asking(envelope, files, (true, true))
    }

    fn asking(
        envelope: &Envelope,
        files: Vec<FileEntry>,
        (compares, pieces): (bool, bool),
    ) -> (Self, Request) {
        let ask = Ask::Submit { envelope: envelope_text(envelope), compares, pieces };
        (Self { files, compares }, Request::new(ask))
    }

    /// Takes a reply.
    ///
    /// # Errors
    /// [`Ended`]; to want what was not offered, or anything twice, is a violation.
    pub fn on(&mut self, reply: Reply) -> Result<Step<Offered>, Ended> {
        match reply {
            Reply::Progress { done, total } => Ok(Step::Progress(done, total)),
            Reply::Receipt(receipt) => Ok(Step::Done(Offered::Recorded(receipt))),
            Reply::Compare { blobs } if self.compares => {
                let mut left = self.files.clone();
                for blob in &blobs {
                    take(&mut left, blob.blake3, blob.size)?;
                }
                Ok(Step::Done(Offered::Compare(blobs)))
            }
            Reply::Wanted { blobs } => {
                Ok(Step::Done(Offered::Wanted(offered(&self.files, blobs)?)))
            }
            other => unexpected(other, "'wanted' or 'receipt'"),
        }
    }

    /// The trees of hashes are on their way: the state in which what is lacking is said.
    pub fn compared(self) -> ComparedCall {
        ComparedCall { files: self.files }
    }

    /// The content is on its way: the state in which only a receipt can end the call.
    pub fn sending(self) -> SendingCall {
        SendingCall(())
    }
}

/// Trees of hashes are being sent, or were.
#[derive(Debug)]
pub struct ComparedCall {
    files: Vec<FileEntry>,
}

impl ComparedCall {
    /// Takes a reply.
    ///
    /// # Errors
    /// As [`SubmitCall::on`].
    pub fn on(&mut self, reply: Reply) -> Result<Step<Vec<Wanted>>, Ended> {
        match reply {
            Reply::Progress { done, total } => Ok(Step::Progress(done, total)),
            Reply::Wanted { blobs } => Ok(Step::Done(offered(&self.files, blobs)?)),
            other => unexpected(other, "'wanted'"),
        }
    }

    /// As [`SubmitCall::sending`].
    pub fn sending(self) -> SendingCall {
        SendingCall(())
    }
}

/// What is wanted, all of it offered, and nothing twice.
fn offered(files: &[FileEntry], blobs: Vec<WantedText>) -> Result<Vec<Wanted>, Ended> {
    let mut left = files.to_vec();
    let mut wanted = Vec::new();
    for blob in blobs {
        let blob = Wanted::try_from(blob).map_err(|error| Ended::Violation(error.to_string()))?;
        take(&mut left, blob.blake3, blob.ranges.size())?;
        wanted.push(blob);
    }
    Ok(wanted)
}

/// Files of equal content are wanted once, so all of them go together.
fn take(left: &mut Vec<FileEntry>, blake3: Blake3, size: u64) -> Result<(), Ended> {
    let before = left.len();
    left.retain(|file| file.blake3 != blake3 || file.size != size);
    if left.len() < before {
        return Ok(());
    }
    Err(Ended::Violation(format!(
        "content {} is wanted, which was not offered or is wanted twice",
        blake3.short()
    )))
}

/// Content is being sent, or was.
#[derive(Debug)]
pub struct SendingCall(());

impl SendingCall {
    /// Takes a reply.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn on(&mut self, reply: Reply) -> Result<Step<Receipt>, Ended> {
        match reply {
            Reply::Progress { done, total } => Ok(Step::Progress(done, total)),
            Reply::Receipt(receipt) => Ok(Step::Done(receipt)),
            other => unexpected(other, "'receipt'"),
        }
    }
}

/// Asks for a piece of an upload that is under way, to bring it.
#[derive(Debug)]
pub struct BringCall {
    files: Vec<FileEntry>,
}

impl BringCall {
    /// Of the upload of `envelope`, whose content `files` can be sent.
    pub fn new(envelope: &Envelope, files: Vec<FileEntry>) -> (Self, Request) {
        (Self { files }, Request::new(Ask::Bring { envelope: envelope.sha256() }))
    }

    /// Takes a reply. Nothing is wanted once all has come.
    ///
    /// # Errors
    /// As [`SubmitCall::on`].
    pub fn on(&mut self, reply: Reply) -> Result<Step<Vec<Wanted>>, Ended> {
        match reply {
            Reply::Progress { done, total } => Ok(Step::Progress(done, total)),
            Reply::Wanted { blobs } => Ok(Step::Done(offered(&self.files, blobs)?)),
            other => unexpected(other, "'wanted'"),
        }
    }

    /// The piece is on its way: the state in which only its arrival can end the call.
    pub fn sending(self) -> BringingCall {
        BringingCall(())
    }
}

/// A piece is being sent, or was.
#[derive(Debug)]
pub struct BringingCall(());

impl BringingCall {
    /// Takes a reply.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn on(&mut self, reply: Reply) -> Result<Step<()>, Ended> {
        match reply {
            Reply::Progress { done, total } => Ok(Step::Progress(done, total)),
            Reply::Brought {} => Ok(Step::Done(())),
            other => unexpected(other, "'brought'"),
        }
    }
}

/// Asks for content.
#[derive(Debug)]
pub struct FetchCall {
    size: u64,
}

impl FetchCall {
    /// Asks for `ranges` of the file with this digest.
    pub fn new(blake3: Blake3, ranges: &Ranges) -> (Self, Request) {
        let ask = Ask::Fetch { blake3, ranges: Some(ranges.to_pairs()) };
        (Self { size: ranges.size() }, Request::new(ask))
    }

    /// Takes the reply; the content's stream follows it.
    ///
    /// # Errors
    /// [`Ended`]; a size other than the signed one is a violation.
    pub fn on(&mut self, reply: Reply) -> Result<Step<()>, Ended> {
        match reply {
            Reply::Found { size } if size == self.size => Ok(Step::Done(())),
            Reply::Found { size } => Err(Ended::Violation(format!(
                "a file of {size} bytes where the manifest says {}",
                self.size
            ))),
            other => unexpected(other, "'found'"),
        }
    }
}

/// Asks for a round's soup to be blended.
#[derive(Debug)]
pub struct BlendCall(());

impl BlendCall {
    /// Asks for the soup of `round`.
    pub fn new(round: u64) -> (Self, Request) {
        (Self(()), Request::new(Ask::Blend { round }))
    }

    /// Takes a reply.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn on(&mut self, reply: Reply) -> Result<Step<Blended>, Ended> {
        match reply {
            Reply::Progress { done, total } => Ok(Step::Progress(done, total)),
            Reply::Blended { recipe, soup } => Ok(Step::Done(Blended { recipe, soup })),
            other => unexpected(other, "'blended'"),
        }
    }
}
