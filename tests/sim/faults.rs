//! What goes wrong in a run, and when: counted in steps, so that it can come between any two of them.

use std::io;

use crate::link::{LinkId, Way};
use crate::party;
use crate::run::Run;
use crate::world::{Micros, SECOND, SERVER, World};

/// The machine of nobody: what the network makes up runs there.
const NETWORK: usize = usize::MAX;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Faults {
    /// So many things, of any kind, at any step.
    Random(u64),
    /// A machine loses its programs at a step, and with `power` what it had not synced.
    Kill {
        /// Which machine.
        machine: usize,
        /// Whether the power goes.
        power: bool,
        /// At which step.
        step: u64,
    },
    /// A connection breaks after so many bytes.
    Cut(LinkId, Way, u64),
}

impl Run {
    /// Settles at which step the next thing goes wrong.
    pub(crate) fn plan_fault(&mut self) {
        let mut world = self.world.borrow_mut();
        let steps = world.tally.steps;
        self.last_fault = steps;
        self.next_fault = match &mut self.faults {
            Faults::Random(0) => None,
            Faults::Random(left) => {
                *left -= 1;
                // Now in bursts, now far apart.
                let scale = 1 << world.random.below(9);
                Some(steps + 1 + world.random.below(scale))
            }
            Faults::Kill { step, .. } if *step > steps => Some(*step),
            Faults::Kill { .. } => None,
            Faults::Cut(..) => None,
        };
        if self.next_fault.is_none() {
            world.calm();
        }
    }

    /// Lets go wrong what is due.
    pub(crate) fn go_wrong(&mut self) {
        if let Faults::Cut(link, way, bytes) = self.faults {
            let mut world = self.world.borrow_mut();
            if let Some(link) = world.links.get_mut(link) {
                link.pipe(way).budget = Some(bytes);
                self.faults = Faults::Random(0);
            }
            return;
        }
        let steps = self.world.borrow().tally.steps;
        if self.next_fault.is_none_or(|step| step > steps) {
            return;
        }
        match self.faults {
            Faults::Kill { machine, power, .. } => self.kill(machine, power),
            _ => self.anything(),
        }
        self.plan_fault();
    }

    /// Anything that can go wrong.
    fn anything(&mut self) {
        let (kind, machine, links) = {
            let mut world = self.world.borrow_mut();
            let machine = world.random.below(self.up.len() as u64) as usize;
            // The server is every party's.
            let machine = if world.random.once_in(3) { SERVER } else { machine };
            (world.random.below(11), machine, world.links.len() as u64)
        };
        match kind {
            0 | 1 => return self.kill(machine, false),
            2 | 3 => return self.kill(machine, true),
            4 if links > 0 => return self.replay(),
            _ => (),
        }
        let mut world = self.world.borrow_mut();
        match kind {
            5 if links > 0 => world.cut_any(links),
            6 if links > 0 => {
                let link = world.random.below(links) as usize;
                let way = if world.random.once_in(2) { Way::Up } else { Way::Down };
                let bytes = world.random.below(300_000);
                world.links[link].pipe(way).budget = Some(bytes);
            }
            7 => world.fall_silent(),
            8 => {
                world.tally.full_disks += 1;
                let room = world.random.below(200_000);
                let disk = &mut world.machines[machine];
                disk.capacity = Some(disk.used() + room);
            }
            9 => {
                world.tally.jumps += 1;
                let scale = [SECOND, 60 * SECOND, 86_400 * SECOND][world.random.below(3) as usize];
                world.now += world.random.below(scale);
                world.note("clock jumps", 0, 0, 0);
            }
            _ => world.flips += 1,
        }
    }

    /// The network says again what a client said on an earlier connection, perhaps with a mistake.
    fn replay(&mut self) {
        let mut world = self.world.borrow_mut();
        let links = world.links.len() as u64;
        let heard = world.random.below(links) as usize;
        let mut heard = world.links[heard].heard.clone();
        if heard.is_empty() {
            return;
        }
        if world.random.once_in(2) {
            let at = world.random.below(heard.len() as u64) as usize;
            heard[at] ^= 1 << world.random.below(8);
        }
        world.tally.replays += 1;
        let link = world.dial(NETWORK);
        world.links[link].replayed = true;
        drop(world);
        self.begin(NETWORK, move |cpu| party::replay(cpu, link, &heard));
    }
}

impl World {
    fn cut_any(&mut self, links: u64) {
        let link = self.random.below(links) as usize;
        self.tally.cuts += 1;
        self.cut(link, io::ErrorKind::ConnectionReset);
    }

    fn fall_silent(&mut self) {
        self.tally.partitions += 1;
        let time: Micros = 1000 << self.random.below(17);
        let until = self.now + time;
        self.note("partition", 0, time, 0);
        self.partition(until);
    }

    /// From here on the network is fair, and so are the disks.
    fn calm(&mut self) {
        self.note("calm", 0, 0, 0);
        (self.partitioned_until, self.flips) = (self.now, 0);
        self.machines.iter_mut().for_each(|disk| disk.capacity = None);
        for link in &mut self.links {
            for way in [Way::Up, Way::Down] {
                link.pipe(way).budget = None;
            }
        }
    }
}
