//! A party: pushes what it has, then pulls, and begins again after each interruption.

mod pieces;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use potluck_core::envelope::Domain;
use potluck_core::{Envelope, Kind, PrivateKey};
use potluck_net::blob::{Hashed, Partial, SendError};
use potluck_wire::frame::{Decoder, MAX_REPLY};
use potluck_wire::ranges::GROUP;
use potluck_wire::session::client::{
    ComparedCall, Ended, FetchCall, Offered, SendingCall, Step, SubmitCall,
};
use potluck_wire::{Compared, Receipt, Reply, Wanted};

use crate::content;
use crate::disk::{SimDisk, SimFile};
use crate::invariants::{
    held, invariant_a_cut_loses_little, invariant_honest_sides_agree,
    invariant_no_verified_byte_is_sent_twice, invariant_what_is_pulled_is_whole,
};
use crate::link::{Incoming, LinkId, Outgoing, Way};
use crate::program::Cpu;
use crate::transfer::{next_frame, take_in};
use crate::world::Acknowledged;

/// What a party wants.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Its machine.
    pub(crate) machine: usize,
    /// The files that it hands in, under one envelope.
    pub(crate) pushes: Vec<usize>,
    /// The file that it fetches then.
    pub(crate) pulls: usize,
    /// Over how many connections its content comes in pieces; on the stream of its envelope where it is none.
    pub(crate) over: usize,
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[7; 32])
}

/// Where a party keeps a file that it hands in.
pub(crate) fn source(file: usize) -> PathBuf {
    format!("/outbox/{file}").into()
}

fn target(file: usize) -> PathBuf {
    format!("/in/{file}").into()
}

/// The files that an envelope speaks of, if a party signed it.
pub(crate) fn signed(envelope: &Envelope) -> Option<Vec<usize>> {
    let payload = std::str::from_utf8(envelope.open(&key().public()).ok()?).ok()?.to_owned();
    let files = payload.lines().next()?.split(' ');
    files.map(|file| file.parse().ok().filter(|file| *file < content::all().len())).collect()
}

impl Plan {
    /// The envelope: its files, and whose they are.
    fn envelope(&self) -> Envelope {
        let files: Vec<String> = self.pushes.iter().map(usize::to_string).collect();
        let payload = format!("{}\n{}\n", files.join(" "), self.machine);
        let domain = Domain { kind: Kind::Reveal, federation: None };
        Envelope::sign(domain, payload.into_bytes(), &key()).unwrap()
    }
}

/// Runs until the party has all that it wants.
pub(crate) fn party(cpu: &Cpu, plan: &Plan) {
    let party = Party { cpu, plan, disk: SimDisk { cpu, machine: plan.machine } };
    let envelope = plan.envelope();
    while party.push(&envelope).is_none() {
        party.rest();
    }
    while party.pull().is_none() {
        party.rest();
    }
    cpu.note("party: done", plan.machine as u64, 0);
    cpu.world(|world| world.done[plan.machine] = true);
}

struct Party<'c> {
    cpu: &'c Cpu<'c>,
    plan: &'c Plan,
    disk: SimDisk<'c>,
}

type Sources<'c> = Vec<(usize, Hashed<SimFile<'c>>)>;

/// The replies on a connection.
struct Replies<'c> {
    incoming: Incoming<'c>,
    decoder: Decoder,
}

impl Replies<'_> {
    fn next(&mut self) -> Option<Reply> {
        let body = next_frame(&mut self.decoder, &mut self.incoming, MAX_REPLY).ok()?;
        match Reply::parse(&body) {
            Ok(reply) => Some(reply),
            Err(error) => {
                invariant_honest_sides_agree(self.incoming.cpu, &error.to_string());
                None
            }
        }
    }
}

/// Opens a connection for one request.
fn call<'c>(cpu: &'c Cpu<'c>, machine: usize) -> (LinkId, Outgoing<'c>, Replies<'c>) {
    let link = cpu.world(|world| world.dial(machine));
    cpu.note("party: calls", machine as u64, link as u64);
    let incoming = Incoming { cpu, link, way: Way::Down };
    let replies = Replies { incoming, decoder: Decoder::default() };
    (link, Outgoing { cpu, link, way: Way::Up, content: false }, replies)
}

/// What a reply leads to, unless it ends the call.
fn agreed<T>(cpu: &Cpu, step: Result<T, Ended>) -> Option<T> {
    match step {
        Ok(step) => Some(step),
        Err(Ended::Refused(_)) => None,
        Err(Ended::Violation(seen)) => {
            invariant_honest_sides_agree(cpu, &seen);
            None
        }
    }
}

impl<'c> Party<'c> {
    fn rest(&self) {
        let time = self.cpu.world(|world| 1000 + world.random.below(2_000_000));
        self.cpu.sleep(time);
    }

    fn push(&self, envelope: &Envelope) -> Option<()> {
        let mut sources = Vec::new();
        for number in &self.plan.pushes {
            let file = &content::all()[*number].file;
            let hashed = Hashed::on(&self.disk, &source(*number), &file.blake3, file.size);
            sources.push((*number, hashed.ok()?));
        }
        let (link, outgoing, replies) = call(self.cpu, self.plan.machine);
        let receipt = self.submit(envelope, &sources, outgoing, replies);
        self.cpu.world(|world| {
            invariant_a_cut_loses_little(world, link);
            world.cut(link, std::io::ErrorKind::ConnectionAborted);
        });
        let receipt = receipt?;
        let envelope = envelope.sha256().to_string();
        if receipt.record != envelope {
            invariant_honest_sides_agree(self.cpu, "a receipt for another envelope");
        }
        let said = Acknowledged { envelope, files: self.plan.pushes.clone() };
        self.cpu.world(|world| {
            world.tally.uploads += 1;
            world.acknowledged.push(said);
        });
        Some(())
    }

    fn submit(
        &self,
        envelope: &Envelope,
        sources: &Sources<'c>,
        mut outgoing: Outgoing<'c>,
        mut replies: Replies<'c>,
    ) -> Option<Receipt> {
        let files = self.plan.pushes.iter().map(|file| content::all()[*file].file.clone());
        let files = files.collect();
        let (mut call, request) = match self.plan.over {
            // Some parties are from before trees were compared.
            0 if self.cpu.world(|world| world.random.once_in(5)) => {
                SubmitCall::new(envelope, files)
            }
            0 => SubmitCall::comparing(envelope, files),
            _ => SubmitCall::in_pieces(envelope, files),
        };
        outgoing.write_all(&request.to_frame().ok()?).ok()?;
        let (wanted, sending) = loop {
            match agreed(self.cpu, call.on(replies.next()?))? {
                Step::Done(Offered::Recorded(receipt)) => return Some(receipt),
                Step::Done(Offered::Wanted(wanted)) => break (wanted, call.sending()),
                Step::Done(Offered::Compare(blobs)) => {
                    send_trees(sources, &blobs, &mut outgoing)?;
                    break self.await_wanted(call.compared(), &mut replies)?;
                }
                Step::More | Step::Progress(..) => (),
            }
        };
        if self.plan.over > 0 {
            outgoing.finish();
            return pieces::bring(self, envelope, sending, replies);
        }
        outgoing.content = true;
        match send_all(sources, &wanted, &mut outgoing) {
            Ok(()) => outgoing.finish(),
            // The server wants no more: its answer says why.
            Err(SendError::Gone) => (),
            Err(_) => return None,
        }
        self.await_receipt(sending, replies)
    }

    fn await_wanted(
        &self,
        mut call: ComparedCall,
        replies: &mut Replies<'c>,
    ) -> Option<(Vec<Wanted>, SendingCall)> {
        loop {
            if let Step::Done(wanted) = agreed(self.cpu, call.on(replies.next()?))? {
                return Some((wanted, call.sending()));
            }
        }
    }

    fn await_receipt(&self, mut call: SendingCall, mut replies: Replies<'c>) -> Option<Receipt> {
        loop {
            if let Step::Done(receipt) = agreed(self.cpu, call.on(replies.next()?))? {
                return Some(receipt);
            }
        }
    }

    fn pull(&self) -> Option<()> {
        let number = self.plan.pulls;
        let (content, target) = (&content::all()[number], target(number));
        let file = &content.file;
        let there = Hashed::on(&self.disk, &target, &file.blake3, file.size).is_ok();
        if !there {
            let opened = Partial::early_on(self.disk, &target, &file.blake3, file.size, GROUP);
            let mut partial = opened.ok()?;
            // What never was there comes first, and then what of the rest turns out to be damaged.
            loop {
                if !partial.missing().is_empty() {
                    partial = self.fetch(partial)?;
                }
                partial.settle().ok()?;
                if partial.missing().is_empty() {
                    break;
                }
                self.cpu.world(|world| world.tally.damaged += 1);
            }
            partial.finish_data(&target).ok()?;
        }
        let machine = self.plan.machine;
        self.cpu.world(|world| {
            world.tally.downloads += 1;
            invariant_what_is_pulled_is_whole(world, machine, &target, content, !there);
        });
        Some(())
    }

    fn fetch(&self, mut partial: Partial<SimDisk<'c>>) -> Option<Partial<SimDisk<'c>>> {
        let (content, target) = (&content::all()[self.plan.pulls], target(self.plan.pulls));
        let (missing, machine) = (partial.missing(), self.plan.machine);
        self.cpu.world(|world| {
            let held = held(world, machine, &target, content);
            world.tally.resumed += u64::from(held.contains(&true));
            invariant_no_verified_byte_is_sent_twice(world, content, &held, &missing);
        });
        let (link, mut outgoing, mut replies) = call(self.cpu, machine);
        let received = (|| {
            let (mut call, request) = FetchCall::new(content.file.blake3, &missing);
            outgoing.write_all(&request.to_frame().ok()?).ok()?;
            outgoing.finish();
            while agreed(self.cpu, call.on(replies.next()?))? != Step::Done(()) {}
            let Replies { incoming, decoder } = replies;
            let mut from = std::io::Cursor::new(decoder.into_rest()).chain(incoming);
            take_in(
                self.cpu,
                machine,
                &target,
                content,
                &missing,
                &mut |from, on_group| partial.receive(&missing, from, on_group),
                &mut from,
                &mut |_| (),
            )
            .ok()
        })();
        self.cpu.world(|world| world.cut(link, std::io::ErrorKind::ConnectionAborted));
        received.map(|()| partial)
    }
}

/// A server that wants no more says why: whether they went through does not matter.
fn send_trees(
    sources: &Sources<'_>,
    blobs: &[Compared],
    outgoing: &mut Outgoing<'_>,
) -> Option<()> {
    for blob in blobs {
        let is_meant =
            |(number, _): &&(usize, Hashed<_>)| content::all()[*number].file.blake3 == blob.blake3;
        let (_, hashed) = sources.iter().find(is_meant)?;
        let _ = outgoing.write_all(hashed.outboard());
    }
    Some(())
}

fn send_all(
    sources: &Sources<'_>,
    wanted: &[Wanted],
    outgoing: &mut Outgoing<'_>,
) -> Result<(), SendError> {
    for wanted in wanted {
        let source =
            sources.iter().find(|(number, _)| content::all()[*number].file.blake3 == wanted.blake3);
        // The call refused an offer that wants what was not announced.
        let Some((_, hashed)) = source else { continue };
        hashed.send(&wanted.ranges, outgoing)?;
    }
    Ok(())
}

/// What the network heard, said again.
pub(crate) fn replay(cpu: &Cpu, link: LinkId, heard: &[u8]) {
    let mut outgoing = Outgoing { cpu, link, way: Way::Up, content: false };
    // The request comes first, as it did; nothing may follow it before it is answered.
    let length = heard.first_chunk().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let (request, content) = heard.split_at(heard.len().min(4 + length));
    let said = outgoing.write_all(request).and_then(|()| {
        let pause = cpu.world(|world| 4 * world.latency + world.random.below(10_000));
        cpu.sleep(pause);
        outgoing.write_all(content)
    });
    if said.is_ok() {
        outgoing.finish();
    }
    let mut answer = [0; 4096];
    let mut incoming = Incoming { cpu, link, way: Way::Down };
    while incoming.read(&mut answer).is_ok_and(|count| count > 0) {}
}
