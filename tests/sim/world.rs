//! What programs share: time, chance, machines, connections; and what is known to be true, beside them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::io;

use support::random::Random;

use crate::disk::Platters;
use crate::link::{Link, LinkId};
use crate::program::{Cpu, ProgramId};

/// Virtual time, in millionths of a second.
pub(crate) type Micros = u64;

/// One second of virtual time.
pub(crate) const SECOND: Micros = 1_000_000;

/// The server's machine; the parties' have the numbers after it.
pub(crate) const SERVER: usize = 0;

/// What happens at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Event {
    /// A program goes on, if it still waits for this.
    Wake(ProgramId, u64),
    /// A machine, with the programs of its owner, starts.
    Start(usize),
    /// A connection reaches the server.
    Knock(LinkId),
    /// A connection breaks.
    Cut(LinkId),
}

/// What a party was told, and may rely on from then on.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    /// The digest of the envelope that was recorded.
    pub(crate) envelope: String,
    /// The files that it speaks of.
    pub(crate) files: Vec<usize>,
}

/// What happened in a run, for the sum over all.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    /// Programs that were killed.
    pub(crate) kills: u64,
    /// Machines whose power was cut.
    pub(crate) power_cuts: u64,
    /// Connections that were broken.
    pub(crate) cuts: u64,
    /// Silences of the network.
    pub(crate) partitions: u64,
    /// Disks that filled up.
    pub(crate) full_disks: u64,
    /// Clocks that jumped.
    pub(crate) jumps: u64,
    /// Connections that came twice.
    pub(crate) replays: u64,
    /// Bits that flipped.
    pub(crate) flips: u64,
    /// Groups that did not verify.
    pub(crate) corrupt: u64,
    /// Uploads that went on where an earlier one was.
    pub(crate) resumed: u64,
    /// Uploads whose trees of hashes were asked for.
    pub(crate) compared: u64,
    /// Groups that were copied from other files.
    pub(crate) copied: u64,
    /// Transfers at whose end it was found that what had come before was damaged.
    pub(crate) damaged: u64,
    /// Pieces of uploads that somebody was asked to bring.
    pub(crate) pieces: u64,
    /// Uploads that were acknowledged.
    pub(crate) uploads: u64,
    /// Downloads that came whole.
    pub(crate) downloads: u64,
    /// Stops of programs.
    pub(crate) steps: u64,
    /// The most memory that one program held, in bytes.
    pub(crate) peak_memory: i64,
}

/// The world.
#[derive(Debug)]
pub(crate) struct World {
    /// What time it is.
    pub(crate) now: Micros,
    /// All chance of a run.
    pub(crate) random: Random,
    /// The disks.
    pub(crate) machines: Vec<Platters>,
    /// All connections that ever were.
    pub(crate) links: Vec<Link>,
    /// Until when the network is silent.
    pub(crate) partitioned_until: Micros,
    /// How many bytes may be on their way in a stream.
    pub(crate) window: u64,
    /// How long they are on their way, at least.
    pub(crate) latency: Micros,
    /// How many more pieces of content get a flipped bit.
    pub(crate) flips: u32,
    /// Whether the network keeps what it hears.
    pub(crate) eavesdropping: bool,
    /// Which parties have all that they wanted.
    pub(crate) done: Vec<bool>,
    /// What parties were told.
    pub(crate) acknowledged: Vec<Acknowledged>,
    /// The first invariant that broke, with what was seen.
    pub(crate) broken: Option<String>,
    /// What happened.
    pub(crate) tally: Tally,
    /// Whether the server is to end, because its disk failed it.
    pub(crate) server_failed: bool,
    /// Programs that a program began, with their machine.
    pub(crate) begun: Vec<(usize, Main)>,
    events: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    came: u64,
    /// What each program waits for: a number that changes each time.
    waits: BTreeMap<ProgramId, u64>,
    trace: Trace,
}

/// What a program does.
pub(crate) struct Main(pub(crate) Box<dyn FnOnce(&Cpu)>);

impl fmt::Debug for Main {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Main")
    }
}

#[derive(Debug)]
struct Trace {
    hash: u64,
    printed: bool,
}

impl World {
    /// A world with some machines. `traced`: each line of the trace is printed.
    pub(crate) fn new(seed: u64, machines: usize, traced: bool) -> Self {
        let mut random = Random::new(seed);
        let window = [4 << 10, 20_000, 64 << 10, 256 << 10][random.below(4) as usize];
        let latency = [1, 500, 20_000, 300_000][random.below(4) as usize];
        Self {
            now: 0,
            random,
            machines: (0..machines).map(|_| Platters::default()).collect(),
            links: Vec::new(),
            partitioned_until: 0,
            window,
            latency,
            flips: 0,
            eavesdropping: false,
            done: vec![true; machines],
            acknowledged: Vec::new(),
            broken: None,
            tally: Tally::default(),
            server_failed: false,
            begun: Vec::new(),
            events: BinaryHeap::new(),
            came: 0,
            waits: BTreeMap::new(),
            trace: Trace { hash: 0xcbf2_9ce4_8422_2325, printed: traced },
        }
    }

    /// Lets something happen at a time.
    pub(crate) fn at(&mut self, time: Micros, event: Event) {
        self.came += 1;
        self.events.push(Reverse((time.max(self.now), self.came, event)));
    }

    /// The next thing that happens; time goes on to it.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let Reverse((time, _, event)) = self.events.pop()?;
        // A clock that jumped is ahead of what was planned.
        self.now = self.now.max(time);
        Some(event)
    }

    /// A program waits, for at most so long.
    pub(crate) fn waits(&mut self, program: ProgramId, until: Micros) {
        self.came += 1;
        let wait = self.came;
        self.waits.insert(program, wait);
        self.at(until, Event::Wake(program, wait));
    }

    /// Whether a program waits for just this.
    pub(crate) fn is_due(&self, program: ProgramId, wait: u64) -> bool {
        self.waits.get(&program) == Some(&wait)
    }

    /// A program goes on, whatever it waits for.
    pub(crate) fn wake(&mut self, program: ProgramId) {
        if let Some(wait) = self.waits.get(&program).copied() {
            self.at(self.now, Event::Wake(program, wait));
        }
    }

    /// A program is no more.
    pub(crate) fn forget(&mut self, program: ProgramId) {
        self.waits.remove(&program);
    }

    /// Whether a program is under way, and not about to be killed.
    pub(crate) fn is_running(&self, program: ProgramId) -> bool {
        self.waits.contains_key(&program)
    }

    /// A connection breaks once what it carries has arrived.
    pub(crate) fn cut_later(&mut self, link: LinkId, time: Micros) {
        self.tally.cuts += 1;
        self.at(time, Event::Cut(link));
    }

    /// A party opens a connection.
    pub(crate) fn dial(&mut self, machine: usize) -> LinkId {
        self.links.push(Link::from(machine));
        let link = self.links.len() - 1;
        let arrival = self.now.max(self.partitioned_until) + self.latency;
        self.at(arrival, Event::Knock(link));
        link
    }

    /// Nobody answers.
    pub(crate) fn refuse(&mut self, link: LinkId) {
        if self.random.once_in(2) {
            self.cut(link, io::ErrorKind::ConnectionRefused);
        }
    }

    /// An invariant does not hold.
    pub(crate) fn violated(&mut self, invariant: &'static str, seen: String) {
        self.note(invariant, 0, 0, 0);
        self.broken.get_or_insert_with(|| format!("{invariant}: {seen}"));
    }

    /// Writes a line into the trace.
    pub(crate) fn note(&mut self, what: &'static str, program: u64, first: u64, second: u64) {
        let numbers = [self.now, program, first, second].map(u64::to_le_bytes);
        for byte in what.bytes().chain(numbers.into_iter().flatten()) {
            // FNV-1a: it need not resist anybody.
            self.trace.hash = (self.trace.hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        if self.trace.printed {
            println!("{:>14} µs  #{program:<4} {what} {first} {second}", self.now);
        }
    }

    /// A number for all that happened.
    pub(crate) fn trace_hash(&self) -> u64 {
        self.trace.hash
    }
}
