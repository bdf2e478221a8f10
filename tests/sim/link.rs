//! Connections: two ordered streams of bytes each, as QUIC gives them to the sessions.
//!
//! What happens to packets shows here as what is left of it above QUIC: delay, silence, and a stream that breaks
//! off at any byte. Flipped bits, which TLS would find, stand for peers whose memory fails or who lie.

use std::collections::VecDeque;
use std::io::{self, Read, Write};

use crate::program::{Cpu, ProgramId};
use crate::world::{Micros, SECOND, World};

/// How long nothing may come before the peer is given up.
pub(crate) const IDLE: Micros = 30 * SECOND;

/// The number of a connection.
pub(crate) type LinkId = usize;

/// Which of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// One stream of bytes.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    /// What is on its way, with the time at which it arrives.
    under_way: VecDeque<(Micros, Vec<u8>)>,
    /// How much of the first piece was read already.
    read: usize,
    in_flight: u64,
    last_arrival: Micros,
    ended: bool,
    broken: Option<io::ErrorKind>,
    /// The reader wants no more.
    stopped: bool,
    /// After so many bytes more, the connection breaks.
    pub(crate) budget: Option<u64>,
    cut_at: Option<Micros>,
    reader: Option<ProgramId>,
    writer: Option<ProgramId>,
}

/// A connection.
#[derive(Debug, Default)]
pub(crate) struct Link {
    up: Pipe,
    down: Pipe,
    /// The machine that opened it.
    pub(crate) machine: usize,
    /// Whether the network made it up, of what it had heard before.
    pub(crate) replayed: bool,
    /// Bytes of content that its client sent, with their hashes.
    pub(crate) content_sent: u64,
    /// Bytes of content that its server verified, and in how many groups.
    pub(crate) verified: (u64, u64),
    /// All that its client said, where the network keeps it.
    pub(crate) heard: Vec<u8>,
}

impl Link {
    /// A connection that a machine opens.
    pub(crate) fn from(machine: usize) -> Self {
        Self { machine, ..Self::default() }
    }

    /// One of its streams.
    pub(crate) fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Whether anybody still has a use for it.
    pub(crate) fn is_open(&self) -> bool {
        self.up.broken.is_none() && self.down.broken.is_none()
    }
}

enum Taken {
    Bytes(usize),
    Ended,
    Broken(io::ErrorKind),
    NotBefore(Micros),
}

impl Pipe {
    fn take(&mut self, now: Micros, buffer: &mut [u8]) -> Taken {
        if let Some((at, piece)) = self.under_way.front() {
            if *at > now {
                return Taken::NotBefore(*at);
            }
            let rest = &piece[self.read..];
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            self.read += count;
            self.in_flight -= count as u64;
            if self.read == piece.len() {
                self.under_way.pop_front();
                self.read = 0;
            }
            return Taken::Bytes(count);
        }
        match (self.broken, self.ended) {
            (Some(kind), _) => Taken::Broken(kind),
            (None, true) => Taken::Ended,
            (None, false) => Taken::NotBefore(Micros::MAX),
        }
    }
}

impl World {
    /// Breaks a connection: what has arrived can still be read, the rest is lost.
    pub(crate) fn cut(&mut self, link: LinkId, kind: io::ErrorKind) {
        let now = self.now;
        self.note("link: cut", 0, link as u64, 0);
        for way in [Way::Up, Way::Down] {
            let pipe = self.links[link].pipe(way);
            let before = pipe.under_way.len();
            pipe.under_way.retain(|(at, _)| *at <= now);
            let lost = pipe.under_way.len() < before;
            let left: usize = pipe.under_way.iter().map(|(_, piece)| piece.len()).sum();
            pipe.in_flight = (left - pipe.read) as u64;
            if pipe.broken.is_none() && (lost || !pipe.ended) {
                pipe.broken = Some(kind);
            }
            self.rouse_reader(link, way);
            self.rouse_writer(link, way);
        }
    }

    /// Breaks off what a reader reads, and nothing else.
    pub(crate) fn supersede(&mut self, link: LinkId) {
        let pipe = self.links[link].pipe(Way::Up);
        pipe.under_way.clear();
        (pipe.read, pipe.in_flight) = (0, 0);
        pipe.broken = Some(io::ErrorKind::ConnectionAborted);
        self.rouse_reader(link, Way::Up);
        self.rouse_writer(link, Way::Up);
    }

    fn rouse_reader(&mut self, link: LinkId, way: Way) {
        if let Some(reader) = self.links[link].pipe(way).reader.take() {
            self.wake(reader);
        }
    }

    fn rouse_writer(&mut self, link: LinkId, way: Way) {
        if let Some(writer) = self.links[link].pipe(way).writer.take() {
            self.wake(writer);
        }
    }

    /// The network falls silent until `until`: what is under way arrives after that.
    pub(crate) fn partition(&mut self, until: Micros) {
        self.partitioned_until = until;
        let now = self.now;
        for link in &mut self.links {
            for way in [Way::Up, Way::Down] {
                let pipe = link.pipe(way);
                pipe.under_way
                    .iter_mut()
                    .filter(|(at, _)| *at > now)
                    .for_each(|(at, _)| *at += until - now);
                pipe.last_arrival = pipe.under_way.back().map_or(pipe.last_arrival, |(at, _)| *at);
            }
        }
    }

    fn send(&mut self, link: LinkId, way: Way, bytes: &[u8], content: bool) -> Sent {
        let (now, window) = (self.now, self.window);
        let delay = self.latency + self.random.below(self.latency);
        let segment = 1 + self.random.below(window) as usize;
        let earliest = now.max(self.partitioned_until) + delay;
        let flipped = content && self.flips > 0 && !bytes.is_empty();
        let pipe = self.links[link].pipe(way);
        if pipe.broken.is_some() || pipe.stopped {
            return Sent::Failed;
        }
        let room = window.saturating_sub(pipe.in_flight) as usize;
        let budget = pipe.budget.map_or(usize::MAX, |budget| budget as usize);
        let count = bytes.len().min(room).min(segment).min(budget);
        if count == 0 && budget > 0 {
            return Sent::NoRoom;
        }
        let mut piece = bytes[..count].to_vec();
        let arrival = pipe.last_arrival.max(earliest);
        pipe.last_arrival = arrival;
        pipe.in_flight += count as u64;
        pipe.budget = pipe.budget.map(|budget| budget - count as u64);
        if pipe.budget == Some(0) && pipe.cut_at.is_none() {
            pipe.cut_at = Some(arrival);
            self.cut_later(link, arrival);
        }
        if flipped && count > 0 {
            self.flips -= 1;
            let at = self.random.below(count as u64) as usize;
            piece[at] ^= 1 << self.random.below(8);
            self.note("link: flip", 0, link as u64, at as u64);
            self.tally.flips += 1;
        }
        let heard = way == Way::Up && self.eavesdropping;
        let of = &mut self.links[link];
        if heard {
            of.heard.extend_from_slice(&bytes[..count]);
        }
        if content && way == Way::Up {
            of.content_sent += count as u64;
        }
        if count > 0 {
            of.pipe(way).under_way.push_back((arrival, piece));
        }
        self.rouse_reader(link, way);
        Sent::Bytes(count)
    }
}

enum Sent {
    Bytes(usize),
    NoRoom,
    Failed,
}

/// Reads one of the streams of a connection.
pub(crate) struct Incoming<'c> {
    /// The program that reads.
    pub(crate) cpu: &'c Cpu<'c>,
    /// Which connection.
    pub(crate) link: LinkId,
    /// Which of its streams.
    pub(crate) way: Way,
}

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let patience = self.cpu.now() + IDLE;
        loop {
            let now = self.cpu.now();
            let taken = self.cpu.world(|world| {
                let taken = world.links[self.link].pipe(self.way).take(now, buffer);
                if matches!(taken, Taken::Bytes(_)) {
                    world.rouse_writer(self.link, self.way);
                }
                world.links[self.link].pipe(self.way).reader = Some(self.cpu.id);
                taken
            });
            match taken {
                Taken::Bytes(count) => {
                    self.cpu.note("link: read", self.link as u64, count as u64);
                    return Ok(count);
                }
                Taken::Ended => return Ok(0),
                Taken::Broken(kind) => return Err(kind.into()),
                Taken::NotBefore(_) if now >= patience => {
                    self.cpu.world(|world| world.cut(self.link, io::ErrorKind::TimedOut));
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Taken::NotBefore(time) => self.cpu.wait(time.min(patience)),
            }
        }
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        let (link, way) = (self.link, self.way);
        self.cpu.world(|world| {
            // Who was killed says nothing.
            if world.is_running(self.cpu.id) {
                world.links[link].pipe(way).stopped = true;
                world.rouse_writer(link, way);
            }
        });
    }
}

/// Writes one of the streams of a connection.
pub(crate) struct Outgoing<'c> {
    /// The program that writes.
    pub(crate) cpu: &'c Cpu<'c>,
    /// Which connection.
    pub(crate) link: LinkId,
    /// Which of its streams.
    pub(crate) way: Way,
    /// Whether what is written now is content, whose bits may flip.
    pub(crate) content: bool,
}

impl Outgoing<'_> {
    /// Ends the stream.
    pub(crate) fn finish(self) {
        self.cpu.world(|world| {
            world.links[self.link].pipe(self.way).ended = true;
            world.rouse_reader(self.link, self.way);
        });
    }
}

impl Write for Outgoing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let patience = self.cpu.now() + IDLE;
        loop {
            let sent = self.cpu.world(|world| {
                world.links[self.link].pipe(self.way).writer = Some(self.cpu.id);
                world.send(self.link, self.way, bytes, self.content)
            });
            match sent {
                Sent::Bytes(count) if count > 0 || bytes.is_empty() => return Ok(count),
                Sent::NoRoom | Sent::Bytes(_) if self.cpu.now() < patience => {
                    self.cpu.wait(patience);
                }
                // The kind by which `blob::send` knows that its receiver is gone.
                _ => return Err(io::ErrorKind::ConnectionReset.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
