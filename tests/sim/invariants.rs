//! What must hold, by name. Each is checked at every step that could break it; the first that breaks ends the run.

use std::path::{Path, PathBuf};

use potluck_wire::Ranges;
use potluck_wire::ranges::GROUP;

use crate::content::{self, Content};
use crate::link::LinkId;
use crate::program::Cpu;
use crate::server;
use crate::world::{Acknowledged, SERVER, World};

/// The most memory that one program may hold, in bytes: the group that comes, as much again for a frame and for what
/// is small. The longest file has ten groups.
pub(crate) const MEMORY: i64 = 2 * GROUP as i64;

/// A connection may lose what is on its way, and the group that was not whole yet, with the hashes on the way to it.
const LOST_BESIDE_WINDOW: u64 = GROUP + 64 * 8;

fn stored(disk: Option<&[u8]>, expected: &[u8]) -> bool {
    disk == Some(expected)
}

/// A receipt is sent only once a power cut would leave all that it speaks of.
pub(crate) fn invariant_what_is_acknowledged_is_durable(world: &mut World, said: &Acknowledged) {
    let disk = &world.machines[SERVER];
    let recorded = server::recorded_in(disk.durable(server::LEDGER.as_ref()).unwrap_or_default());
    let lost = said.files.iter().find(|file| {
        let content = &content::all()[**file];
        let (data, hashes) = server::blob_paths(content);
        !stored(disk.durable(&data), &content.bytes)
            || !stored(disk.durable(&hashes), &content.outboard)
    });
    if !recorded.contains(&said.envelope) || lost.is_some() {
        let seen = format!("a power cut would leave the entry: {}, file {lost:?}", recorded.len());
        world.violated("invariant_what_is_acknowledged_is_durable", seen);
    }
}

/// What a party was told stands in the store of every server that starts later.
pub(crate) fn invariant_receipts_survive(world: &mut World, recorded: &[String]) {
    for said in world.acknowledged.clone() {
        let disk = &world.machines[SERVER];
        let there = said.files.iter().all(|file| {
            let content = &content::all()[*file];
            stored(disk.seen(&server::blob_paths(content).0), &content.bytes)
        });
        if !recorded.contains(&said.envelope) || !there {
            let seen = format!("{said:?} is acknowledged and lost");
            world.violated("invariant_receipts_survive", seen);
        }
    }
}

/// A group that was reported as verified is on the disk, right, and with the hashes by which it verifies again.
pub(crate) fn invariant_only_verified_bytes_are_kept(
    world: &mut World,
    machine: usize,
    stem: &Path,
    content: &Content,
    group: usize,
) {
    let (part, obao) = part_paths(stem);
    let disk = &world.machines[machine];
    let (part, obao) = (disk.seen(&part).unwrap_or_default(), disk.seen(&obao).unwrap_or_default());
    if group >= content.groups() || !content.holds(part, obao, group) {
        let seen = format!("group {group} of a file of {} bytes", content.file.size);
        world.violated("invariant_only_verified_bytes_are_kept", seen);
    }
}

/// What stands in the store under a digest, when an entry that speaks of it is recorded, has that digest.
pub(crate) fn invariant_only_verified_bytes_are_admitted(world: &mut World, content: &Content) {
    let data = server::blob_paths(content).0;
    if !stored(world.machines[SERVER].seen(&data), &content.bytes) {
        let seen = format!("a file of {} bytes", content.file.size);
        world.violated("invariant_only_verified_bytes_are_admitted", seen);
    }
}

/// Which groups of a partial file are there and verify.
pub(crate) fn held(world: &World, machine: usize, stem: &Path, content: &Content) -> Vec<bool> {
    let (part, obao) = part_paths(stem);
    let disk = &world.machines[machine];
    content.held(disk.seen(&part).unwrap_or_default(), disk.seen(&obao).unwrap_or_default())
}

/// Nobody asks for a group that is there and verifies: that lay there when the transfer began, or was verified since. Groups of which
/// the disk kept only a part are asked for.
pub(crate) fn invariant_no_verified_byte_is_sent_twice(
    world: &mut World,
    content: &Content,
    held: &[bool],
    wanted: &Ranges,
) {
    let asked = |group: u64| wanted.spans().iter().any(|span| span.contains(&(group * GROUP)));
    if let Some(group) = (0..).zip(held).find(|(group, held)| **held && asked(*group)) {
        let seen = format!("{group:?} of a file of {} bytes", content.file.size);
        world.violated("invariant_no_verified_byte_is_sent_twice", seen);
    }
}

/// Of one upload nobody is asked for what another is bringing. Each part is one of a file, which has a number.
pub(crate) fn invariant_no_byte_is_on_two_ways(
    world: &mut World,
    (file, wanted): (usize, &Ranges),
    (other, out): (usize, &Ranges),
) {
    let meets = |span: &std::ops::Range<u64>| {
        out.spans().iter().any(|out| span.start < out.end && out.start < span.end)
    };
    if file == other && wanted.spans().iter().any(meets) {
        let seen = format!("{wanted:?} of file {file}, of which {out:?} is out");
        world.violated("invariant_no_byte_is_on_two_ways", seen);
    }
}

/// Once a file was compared with others, no group of it is asked for that stands at its place in one of them.
pub(crate) fn invariant_what_stands_elsewhere_is_not_sent(
    world: &mut World,
    content: &Content,
    formers: &[&Content],
    wanted: &Ranges,
) {
    for former in formers {
        let (data, hashes) = server::blob_paths(former);
        let disk = &world.machines[SERVER];
        if !stored(disk.seen(&data), &former.bytes) || !stored(disk.seen(&hashes), &former.outboard)
        {
            continue;
        }
        let twice = (0..content.groups()).find(|number| {
            let (place, at) = (content.group(*number), *number as u64 * GROUP);
            let asked = wanted.spans().iter().any(|span| span.contains(&at));
            // A file of one group has no tree in which it could be found.
            asked && content.groups() > 1 && former.bytes[place.clone()] == content.bytes[place]
        });
        if let Some(group) = twice {
            let seen = format!("group {group} of a file of {} bytes", content.file.size);
            world.violated("invariant_what_stands_elsewhere_is_not_sent", seen);
            return;
        }
    }
}

/// Of what a client sent on a connection, all was verified and kept but for the window and one group.
pub(crate) fn invariant_a_cut_loses_little(world: &mut World, link: LinkId) {
    let window = world.window;
    let (sent, (verified, groups)) = (world.links[link].content_sent, world.links[link].verified);
    // Each group comes with at most the pair of hashes above it, and those on the way down to the first.
    let hashes = 64 * (groups + 8);
    if sent > verified + hashes + window + LOST_BESIDE_WINDOW {
        let seen = format!("{sent} bytes sent, {verified} verified, the window is {window}");
        world.violated("invariant_a_cut_loses_little", seen);
    }
}

/// What was pulled has the digest that was asked for, and a power cut would leave it. Where it was found, left there by
/// a process that was killed just before it could say so (`durable` is false), it is right and no more is promised.
pub(crate) fn invariant_what_is_pulled_is_whole(
    world: &mut World,
    machine: usize,
    target: &Path,
    content: &Content,
    durable: bool,
) {
    let disk = &world.machines[machine];
    if !stored(if durable { disk.durable(target) } else { disk.seen(target) }, &content.bytes) {
        let seen = format!("a file of {} bytes", content.file.size);
        world.violated("invariant_what_is_pulled_is_whole", seen);
    }
}

/// A session between two honest sides never finds the other breaking the protocol.
pub(crate) fn invariant_honest_sides_agree(cpu: &Cpu, seen: &str) {
    cpu.world(|world| world.violated("invariant_honest_sides_agree", seen.to_owned()));
}

/// What a program holds does not grow with the file.
pub(crate) fn invariant_memory_is_bounded(world: &mut World, peak: i64) {
    world.tally.peak_memory = world.tally.peak_memory.max(peak);
    if peak > MEMORY {
        world.violated("invariant_memory_is_bounded", format!("{peak} bytes, at most {MEMORY}"));
    }
}

/// Once the network, the disks and the machines are fair, everybody gets what they want.
pub(crate) fn invariant_everyone_is_served(world: &mut World, steps: u64) {
    let seen = format!("{steps} steps after the last fault, done: {:?}", world.done);
    world.violated("invariant_everyone_is_served", seen);
}

/// Where a partial file and its hashes lie.
pub(crate) fn part_paths(stem: &Path) -> (PathBuf, PathBuf) {
    let with = |suffix: &str| PathBuf::from(format!("{}{suffix}", stem.display()));
    (with(".part"), with(".obao"))
}
