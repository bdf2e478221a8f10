//! The server: the real sessions and the real room of verified files, around a ledger that is as small as can be.
//!
//! It stands for `potluck_net::server` and the aggregator, which need sockets and a database: the same order of
//! steps, the newest upload of an envelope wins, and what fails a write to the store ends the process.

mod pieces;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use potluck_core::{Blake3, Code, Envelope, Refusal};
use potluck_net::blob::disk::{Disk as _, DiskFile as _, WriteAt as _};
use potluck_net::blob::{Partial, SendError, import_on, send_on};
use potluck_wire::frame::{Decoder, MAX_REQUEST};
use potluck_wire::ranges::GROUP;
use potluck_wire::session::server::{Asked, AwaitContent, AwaitOffer, AwaitWanted, accept};
use potluck_wire::{Compared, Ranges, Receipt, Reply, Wanted};

use crate::content::{self, BASE, Content};
use crate::disk::SimDisk;
use crate::invariants::{
    held, invariant_no_verified_byte_is_sent_twice, invariant_only_verified_bytes_are_admitted,
    invariant_only_verified_bytes_are_kept, invariant_receipts_survive,
    invariant_what_is_acknowledged_is_durable, invariant_what_stands_elsewhere_is_not_sent,
};
use crate::link::{Incoming, LinkId, Outgoing, Way};
use crate::party;
use crate::program::Cpu;
use crate::transfer::{Receive, next_frame, take_in};
use crate::world::{Acknowledged, SERVER};
use pieces::Sharing;

/// Where the ledger lies: a line for each entry, the digest of its envelope.
pub(crate) const LEDGER: &str = "/ledger/entries";

/// Where the base lies before it is taken in.
pub(crate) const SOURCE: &str = "/home/base";

const LINE: usize = 65;

/// What a server process knows.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Whether it has started.
    pub(crate) ready: bool,
    recorded: Vec<String>,
    writing: bool,
    turns: BTreeMap<String, Turn>,
    /// Uploads in pieces that are under way, by envelope.
    sharings: BTreeMap<String, Rc<Sharing>>,
}

#[derive(Debug, Default)]
struct Turn {
    newest: u64,
    holder: Option<LinkId>,
}

/// What all sessions of a process share.
pub(crate) type Shared = Rc<RefCell<Memory>>;

/// Where a file and its hashes stand once it is admitted.
pub(crate) fn blob_paths(content: &Content) -> (PathBuf, PathBuf) {
    let data = format!("/blobs/{}", content.file.blake3);
    (PathBuf::from(&data), PathBuf::from(format!("{data}.obao")))
}

/// What of the same size is in the store. Who may know of what is the aggregator's question, and not asked here.
fn formers(cpu: &Cpu, content: &Content) -> Vec<&'static Content> {
    let is_like =
        |it: &&Content| it.file.size == content.file.size && it.file.blake3 != content.file.blake3;
    let is_here =
        |it: &&Content| cpu.world(|world| world.machines[SERVER].seen(&blob_paths(it).0).is_some());
    content::all().iter().filter(is_like).filter(is_here).collect()
}

fn quarantine(content: &Content) -> PathBuf {
    format!("/quarantine/{}", content.file.blake3).into()
}

/// The entries in a ledger's bytes, up to the first that was torn.
pub(crate) fn recorded_in(bytes: &[u8]) -> Vec<String> {
    let entry = |line: &[u8]| {
        let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| text.to_owned())
    };
    bytes.chunks(LINE).map_while(entry).collect()
}

/// Starts a process: reads the ledger, and takes in the base where it is not there.
pub(crate) fn boot(cpu: &Cpu, memory: &Shared) {
    let disk = SimDisk { cpu, machine: SERVER };
    if make_durable(disk).is_err() {
        return fail(cpu);
    }
    let recorded = cpu.world(|world| {
        let recorded =
            recorded_in(world.machines[SERVER].seen(LEDGER.as_ref()).unwrap_or_default());
        invariant_receipts_survive(world, &recorded);
        recorded
    });
    memory.borrow_mut().recorded = recorded;
    let base = &content::all()[BASE];
    if !is_intact(disk, base) {
        let (data, hashes) = blob_paths(base);
        let expected = (&base.file.blake3, base.file.size);
        if import_on(&disk, SOURCE.as_ref(), expected, &data, &hashes).is_err() {
            return fail(cpu);
        }
        cpu.world(|world| invariant_only_verified_bytes_are_admitted(world, base));
    }
    memory.borrow_mut().ready = true;
    cpu.note("server: ready", memory.borrow().recorded.len() as u64, 0);
}

/// What the process before this one left may be seen and yet not be durable: it was killed between writing and
/// syncing. The aggregator does the same when it opens its store.
fn make_durable(disk: SimDisk<'_>) -> io::Result<()> {
    disk.edit(LEDGER.as_ref())?.sync()?;
    disk.sync_folder(Path::new("/ledger"))?;
    disk.sync_folder(Path::new("/blobs"))
}

/// The disk failed: the process ends.
fn fail(cpu: &Cpu) {
    cpu.note("server: its disk failed", 0, 0);
    cpu.world(|world| world.server_failed = true);
}

fn is_intact(disk: SimDisk<'_>, content: &Content) -> bool {
    let (data, hashes) = blob_paths(content);
    let Ok(all) = Ranges::all(content.file.size) else { return false };
    send_on(&disk, &data, &hashes, &content.file.blake3, &all, &mut io::sink()).is_ok()
}

/// Why a request has no answer.
enum Fault {
    Refused(Refusal),
    Gone,
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Answers the request on a connection.
pub(crate) fn session(cpu: &Cpu, link: LinkId, memory: &Shared) {
    let session = Session { cpu, link, memory };
    let mut incoming = Incoming { cpu, link, way: Way::Up };
    if let Err(Fault::Refused(refusal)) = session.answer(&mut incoming) {
        cpu.note("server: refuses", link as u64, refusal.code as u64);
        // If this does not reach the peer, it is gone.
        let _ = session.reply(&Reply::Refused(refusal));
    }
    session.outgoing(false).finish();
}

/// What is not in the store yet, with what is in the quarantine of it.
type Lacking<'c> = Vec<(&'static Content, Partial<SimDisk<'c>>)>;

struct Session<'c> {
    cpu: &'c Cpu<'c>,
    link: LinkId,
    memory: &'c Shared,
}

impl<'c> Session<'c> {
    fn disk(&self) -> SimDisk<'c> {
        SimDisk { cpu: self.cpu, machine: SERVER }
    }

    fn outgoing(&self, content: bool) -> Outgoing<'c> {
        Outgoing { cpu: self.cpu, link: self.link, way: Way::Down, content }
    }

    fn reply(&self, reply: &Reply) -> io::Result<()> {
        let frame = reply.to_frame().map_err(io::Error::other)?;
        self.outgoing(false).write_all(&frame)
    }

    fn answer(&self, incoming: &mut Incoming<'c>) -> Result<(), Fault> {
        let mut decoder = Decoder::default();
        let body = next_frame(&mut decoder, incoming, MAX_REQUEST)?;
        if !decoder.is_empty() {
            return Err(Refusal::new(Code::ProtocolError, "too early").into());
        }
        match accept(&body)? {
            Asked::Submit(envelope, state) => self.submit(&envelope, state, incoming),
            Asked::Bring(envelope, state) => self.bring(envelope, state, incoming),
            Asked::Fetch(blob, state) => self.fetch(&blob, state),
            _ => Err(Refusal::new(Code::NotPermitted, "not in this world").into()),
        }
    }

    fn submit(
        &self,
        envelope: &Envelope,
        state: AwaitOffer,
        incoming: &mut Incoming<'c>,
    ) -> Result<(), Fault> {
        let files = party::signed(envelope)
            .ok_or_else(|| Refusal::new(Code::SignatureInvalid, "signed by no party"))?;
        let said = Acknowledged { envelope: envelope.sha256().to_string(), files };
        let held = self.take_turn(&said.envelope).ok_or(Fault::Gone)?;
        if self.memory.borrow().recorded.contains(&said.envelope) {
            return Ok(self.reply(&state.recorded(self.receipt(&said)))?);
        }
        let mut partials = self.look_for(&said.files)?;
        let is_in_pieces = state.is_in_pieces();
        let (state, reply) = match self.compare(state, &mut partials, incoming)? {
            Ok(compared) => {
                self.cpu.world(|world| world.tally.compared += 1);
                compared.wanted(&self.wanted(&partials))
            }
            Err(state) => state.wanted(&self.wanted(&partials)),
        };
        let offer = || Ok(self.reply(&reply)?);
        if is_in_pieces {
            self.share(&held, &partials, &state, offer)?;
        } else {
            offer()?;
        }
        for (content, partial) in &mut partials {
            let missing = partial.missing();
            // Of what came in pieces nothing is.
            if !missing.is_empty() {
                let total = missing.byte_count();
                let tell = |done| drop(self.reply(&state.progress(done, total)));
                let mut receive = |from: &mut dyn Read, on_group: &mut dyn FnMut(u64)| {
                    partial.receive(&missing, from, on_group)
                };
                self.receive(content, &missing, &mut receive, incoming, tell)?;
            }
            partial.settle()?;
            if !partial.missing().is_empty() {
                self.cpu.world(|world| world.tally.damaged += 1);
                return Err(Refusal::new(Code::Busy, "what had come before is damaged").into());
            }
        }
        for (content, partial) in partials {
            let (data, hashes) = blob_paths(content);
            self.stored(partial.finish(&data, &hashes))?;
        }
        self.record(&said)?;
        Ok(self.reply(&state.recorded(self.receipt(&said)))?)
    }

    /// Asks for the trees of what may be partly here, and copies what is. The state as it was where nothing is.
    fn compare(
        &self,
        state: AwaitOffer,
        partials: &mut Lacking<'c>,
        incoming: &mut Incoming<'c>,
    ) -> Result<Result<AwaitWanted, AwaitOffer>, Fault> {
        let mut asked = Vec::new();
        for (content, partial) in &mut *partials {
            if partial.missing().is_empty() || formers(self.cpu, content).is_empty() {
                continue;
            }
            if partial.has_hashes()? {
                self.copy(content, partial)?;
            } else {
                asked.push(content.file.blake3);
            }
        }
        let whole = |blake3: &Blake3| {
            let size = content::with(blake3).map_or(0, |number| content::all()[number].file.size);
            Compared { blake3: *blake3, size }
        };
        if asked.is_empty() {
            return Ok(Err(state));
        }
        let (state, reply) = match state.compare(asked.iter().map(whole).collect()) {
            Ok(asking) => asking,
            Err(state) => return Ok(Err(state)),
        };
        self.reply(&reply)?;
        for (content, partial) in partials {
            if asked.contains(&content.file.blake3) {
                let taken = partial.take_hashes(incoming);
                taken.map_err(|error| error.refusal(&content.file.blake3))?;
                self.copy(content, partial)?;
            }
        }
        Ok(Ok(state))
    }

    fn copy(&self, content: &Content, partial: &mut Partial<SimDisk<'c>>) -> Result<(), Refusal> {
        let formers = formers(self.cpu, content);
        for former in &formers {
            let (data, hashes) = blob_paths(former);
            let copied = partial.copy_equal(&data, &hashes, &mut |span| {
                let number = (span.start / GROUP) as usize;
                self.cpu.note("copied", number as u64, span.end - span.start);
                self.cpu.world(|world| {
                    world.tally.copied += 1;
                    let stem = quarantine(content);
                    invariant_only_verified_bytes_are_kept(world, SERVER, &stem, content, number);
                });
            });
            copied.map_err(|error| error.refusal(&content.file.blake3))?;
        }
        let missing = partial.missing();
        self.cpu.world(|world| {
            invariant_what_stands_elsewhere_is_not_sent(world, content, &formers, &missing);
        });
        Ok(())
    }

    /// What is not in the store yet, with what is in the quarantine of it.
    fn look_for(&self, files: &[usize]) -> Result<Lacking<'c>, Refusal> {
        let mut partials = Vec::new();
        // Files of equal content count once.
        for file in files.iter().collect::<BTreeSet<_>>() {
            let content = &content::all()[*file];
            if is_intact(self.disk(), content) {
                continue;
            }
            let (stem, file) = (quarantine(content), &content.file);
            // What lies there already is looked at in the end, or at once.
            let early = self.cpu.world(|world| world.random.once_in(2));
            let partial = if early {
                Partial::early_on(self.disk(), &stem, &file.blake3, file.size, GROUP)
            } else {
                Partial::on(self.disk(), &stem, &file.blake3, file.size)
            };
            partials.push((content, partial.map_err(|_| Refusal::new(Code::Busy, "later"))?));
        }
        Ok(partials)
    }

    fn wanted(&self, partials: &Lacking<'c>) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for (content, partial) in partials {
            let (stem, ranges) = (quarantine(content), partial.missing());
            self.cpu.world(|world| {
                let held = held(world, SERVER, &stem, content);
                world.tally.resumed += u64::from(held.contains(&true));
                invariant_no_verified_byte_is_sent_twice(world, content, &held, &ranges);
            });
            if !ranges.is_empty() {
                wanted.push(Wanted { blake3: content.file.blake3, ranges });
            }
        }
        wanted
    }

    fn receive(
        &self,
        content: &Content,
        missing: &Ranges,
        receive: Receive<'_>,
        incoming: &mut Incoming<'c>,
        mut tell: impl FnMut(u64),
    ) -> Result<(), Refusal> {
        let received = take_in(
            self.cpu,
            SERVER,
            &quarantine(content),
            content,
            missing,
            receive,
            incoming,
            &mut |bytes| {
                let told = self.cpu.world(|world| {
                    let verified = &mut world.links[self.link].verified;
                    *verified = (verified.0 + bytes, verified.1 + 1);
                    world.random.once_in(4)
                });
                if told {
                    tell(bytes);
                }
            },
        );
        received.map_err(|error| error.refusal(&content.file.blake3))
    }

    fn record(&self, said: &Acknowledged) -> Result<(), Fault> {
        while self.memory.borrow().writing {
            self.cpu.sleep(100);
        }
        self.memory.borrow_mut().writing = true;
        let at = self.memory.borrow().recorded.len() * LINE;
        self.stored(append(self.disk(), at as u64, &said.envelope))?;
        let mut memory = self.memory.borrow_mut();
        memory.recorded.push(said.envelope.clone());
        memory.writing = false;
        self.cpu.world(|world| {
            for file in &said.files {
                invariant_only_verified_bytes_are_admitted(world, &content::all()[*file]);
            }
        });
        Ok(())
    }

    fn receipt(&self, said: &Acknowledged) -> Receipt {
        self.cpu.world(|world| invariant_what_is_acknowledged_is_durable(world, said));
        Receipt { index: 0, record: said.envelope.clone(), proof: String::new() }
    }

    /// After a failed write to the store nobody knows what the disk holds.
    fn stored(&self, written: io::Result<()>) -> Result<(), Fault> {
        written.map_err(|_| {
            fail(self.cpu);
            Fault::Gone
        })
    }

    fn fetch(&self, blob: &Blake3, state: AwaitContent) -> Result<(), Fault> {
        let content = content::with(blob).map(|number| &content::all()[number]);
        let content = content.ok_or_else(|| Refusal::new(Code::NotFound, "no such content"))?;
        let (data, hashes) = blob_paths(content);
        if self.cpu.world(|world| world.machines[SERVER].seen(&data).is_none()) {
            return Err(Refusal::new(Code::NotFound, "no such content").into());
        }
        let (ranges, reply) = state.found(content.file.size)?;
        self.reply(&reply)?;
        let sent = send_on(&self.disk(), &data, &hashes, blob, &ranges, &mut self.outgoing(true));
        if let Err(SendError::Corrupt { .. } | SendError::File(_)) = &sent {
            let seen = format!("{sent:?}");
            self.cpu.world(|world| world.violated("invariant_the_store_is_whole", seen));
        }
        Ok(())
    }

    /// The newest upload of an envelope ends the older one, and waits for it.
    fn take_turn(&self, key: &str) -> Option<Held<'c>> {
        let mine = {
            let mut memory = self.memory.borrow_mut();
            let turn = memory.turns.entry(key.to_owned()).or_default();
            turn.newest += 1;
            if let Some(older) = turn.holder {
                self.cpu.world(|world| world.supersede(older));
            }
            turn.newest
        };
        loop {
            {
                let mut memory = self.memory.borrow_mut();
                let turn = memory.turns.entry(key.to_owned()).or_default();
                if turn.newest != mine {
                    return None;
                }
                if turn.holder.is_none() {
                    turn.holder = Some(self.link);
                    return Some(Held { memory: self.memory, key: key.to_owned(), mine });
                }
            }
            self.cpu.sleep(1000);
        }
    }
}

struct Held<'c> {
    memory: &'c Shared,
    key: String,
    mine: u64,
}

impl Held<'_> {
    /// Whether nobody newer came.
    fn is_newest(&self) -> bool {
        self.memory.borrow().turns.get(&self.key).is_some_and(|turn| turn.newest == self.mine)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.memory.borrow_mut().turns.get_mut(&self.key) {
            turn.holder = None;
        }
    }
}

fn append(disk: SimDisk<'_>, at: u64, envelope: &str) -> io::Result<()> {
    let mut file = disk.edit(LEDGER.as_ref())?;
    file.write_all_at(at, format!("{envelope}\n").as_bytes())?;
    file.sync()?;
    disk.sync_folder(Path::new("/ledger"))
}
