//! One run: programs, machines and faults, driven by one seed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;

use support::random::Random;

use crate::content::{self, BASE};
use crate::faults::Faults;
use crate::invariants::{
    invariant_everyone_is_served, invariant_memory_is_bounded,
    invariant_what_is_acknowledged_is_durable,
};
use crate::link::LinkId;
use crate::party::{self, Plan};
use crate::program::{Program, ProgramId};
use crate::server::{self, Shared};
use crate::world::{Event, Main, SECOND, SERVER, Tally, World};

/// How many stops of programs everybody must be served within, once all is fair.
const PATIENCE: u64 = 50_000;

/// How a run went.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The invariant that broke, if one did.
    pub(crate) broken: Option<String>,
    /// What happened.
    pub(crate) tally: Tally,
    /// A number for all that happened.
    pub(crate) trace: u64,
}

/// A run that is under way.
pub(crate) struct Run {
    /// What all share.
    pub(crate) world: Rc<RefCell<World>>,
    programs: BTreeMap<ProgramId, Program>,
    plans: Vec<Plan>,
    /// The server's memory, while it is up.
    memory: Option<Shared>,
    pub(crate) up: Vec<bool>,
    came: ProgramId,
    pub(crate) faults: Faults,
    /// The step of the next fault; nothing goes wrong any more where there is none.
    pub(crate) next_fault: Option<u64>,
    pub(crate) last_fault: u64,
}

/// Runs parties with these plans against one server.
pub(crate) fn run(seed: u64, plans: Vec<Plan>, faults: Faults, traced: bool) -> Outcome {
    let machines = 1 + plans.len();
    let mut world = World::new(seed, machines, traced);
    world.eavesdropping = matches!(faults, Faults::Random(_)) && world.random.once_in(3);
    place(&mut world, &plans);
    for machine in 0..machines {
        world.at(0, Event::Start(machine));
    }
    let mut run = Run {
        world: Rc::new(RefCell::new(world)),
        programs: BTreeMap::new(),
        plans,
        memory: None,
        up: vec![false; machines],
        came: 0,
        faults,
        next_fault: None,
        last_fault: 0,
    };
    run.plan_fault();
    run.drive();
    // Nobody is left who could change anything.
    run.kill_all();
    let world = run.world.borrow();
    Outcome { broken: world.broken.clone(), tally: world.tally, trace: world.trace_hash() }
}

fn place(world: &mut World, plans: &[Plan]) {
    let base = &content::all()[BASE].bytes;
    world.machines[SERVER].place(server::SOURCE.as_ref(), base);
    for plan in plans {
        world.done[plan.machine] = false;
        for file in &plan.pushes {
            let bytes = &content::all()[*file].bytes;
            world.machines[plan.machine].place(&party::source(*file), bytes);
        }
    }
}

impl Run {
    fn drive(&mut self) {
        while !self.is_over() {
            let Some(event) = self.world.borrow_mut().next() else {
                let steps = self.world.borrow().tally.steps;
                return invariant_everyone_is_served(&mut self.world.borrow_mut(), steps);
            };
            self.happen(event);
            self.go_wrong();
        }
        if self.world.borrow().broken.is_none() {
            self.last_power_cut();
        }
    }

    fn is_over(&self) -> bool {
        let mut world = self.world.borrow_mut();
        let since = world.tally.steps - self.last_fault;
        if self.next_fault.is_none() && since > PATIENCE {
            invariant_everyone_is_served(&mut world, since);
        }
        world.broken.is_some() || world.done.iter().all(|done| *done)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Wake(program, wait) => {
                if self.world.borrow().is_due(program, wait) {
                    self.go_on(program);
                }
            }
            Event::Start(machine) => self.start(machine),
            Event::Knock(link) => self.knock(link),
            Event::Cut(link) => self.world.borrow_mut().cut(link, io::ErrorKind::ConnectionReset),
        }
    }

    fn go_on(&mut self, id: ProgramId) {
        let Some(program) = self.programs.get_mut(&id) else { return };
        let waits = program.run();
        let peak = program.peak_memory();
        if waits.is_none() {
            self.programs.remove(&id);
        }
        let (server_failed, begun) = {
            let mut world = self.world.borrow_mut();
            world.tally.steps += 1;
            invariant_memory_is_bounded(&mut world, peak);
            match waits {
                Some(until) => world.waits(id, until),
                None => world.forget(id),
            }
            (std::mem::take(&mut world.server_failed), std::mem::take(&mut world.begun))
        };
        for (machine, Main(main)) in begun {
            self.begin(machine, main);
        }
        if server_failed {
            self.kill(SERVER, false);
        }
    }

    /// A program begins on a machine.
    pub(crate) fn begin(
        &mut self,
        machine: usize,
        main: impl FnOnce(&crate::program::Cpu) + 'static,
    ) {
        self.came += 1;
        let id = self.came;
        self.programs.insert(id, Program::new(&self.world, id, machine, main));
        let now = self.world.borrow().now;
        self.world.borrow_mut().waits(id, now);
    }

    fn start(&mut self, machine: usize) {
        if std::mem::replace(&mut self.up[machine], true) {
            return;
        }
        self.world.borrow_mut().note("start", 0, machine as u64, 0);
        if machine == SERVER {
            let memory = Shared::default();
            self.memory = Some(Rc::clone(&memory));
            self.begin(SERVER, move |cpu| server::boot(cpu, &memory));
        } else if !self.world.borrow().done[machine] {
            let plan = self.plans[machine - 1].clone();
            self.begin(machine, move |cpu| party::party(cpu, &plan));
        }
    }

    fn knock(&mut self, link: LinkId) {
        match &self.memory {
            Some(memory) if memory.borrow().ready => {
                let memory = Rc::clone(memory);
                self.begin(SERVER, move |cpu| server::session(cpu, link, &memory));
            }
            _ => self.world.borrow_mut().refuse(link),
        }
    }

    /// All programs of a machine are gone, with `power` its disk loses what was not synced; it starts again later.
    pub(crate) fn kill(&mut self, machine: usize, power: bool) {
        if !std::mem::replace(&mut self.up[machine], false) {
            return;
        }
        self.kill_where(|of| of == machine);
        if machine == SERVER {
            self.memory = None;
        }
        let mut world = self.world.borrow_mut();
        world.note("kill", 0, machine as u64, u64::from(power));
        world.machines[machine].let_go();
        if power {
            let mut random = world.random.clone();
            world.machines[machine].power_cut(&mut random);
            world.random = random;
            world.tally.power_cuts += 1;
        } else {
            world.tally.kills += 1;
        }
        for link in 0..world.links.len() {
            let concerned = machine == SERVER || world.links[link].machine == machine;
            // A process that is killed says nothing; the next one at its address denies all knowledge.
            if concerned && world.links[link].is_open() && world.random.once_in(2) {
                world.cut(link, io::ErrorKind::ConnectionReset);
            }
        }
        let later = world.now + 1000 + world.random.below(5 * SECOND);
        world.at(later, Event::Start(machine));
    }

    fn kill_where(&mut self, concerned: impl Fn(usize) -> bool) {
        let of = |(id, program): (&ProgramId, &Program)| concerned(program.machine).then_some(*id);
        let ids: Vec<_> = self.programs.iter().filter_map(of).collect();
        ids.iter().for_each(|id| self.world.borrow_mut().forget(*id));
        for id in ids {
            self.programs.remove(&id);
        }
    }

    fn kill_all(&mut self) {
        self.kill_where(|_| true);
    }

    /// Whatever happened: the power goes a last time, and what was acknowledged is there.
    fn last_power_cut(&mut self) {
        self.kill(SERVER, true);
        self.start(SERVER);
        while self.memory.as_ref().is_some_and(|memory| !memory.borrow().ready) {
            let Some(event) = self.world.borrow_mut().next() else { return };
            self.happen(event);
        }
        let mut world = self.world.borrow_mut();
        for said in world.acknowledged.clone() {
            invariant_what_is_acknowledged_is_durable(&mut world, &said);
        }
    }
}

/// Some parties, some files, and how much goes wrong.
pub(crate) fn any(seed: u64) -> (Vec<Plan>, Faults) {
    let mut random = Random::new(!seed);
    let files = content::all().len() as u64;
    let any_file = |random: &mut Random| loop {
        let file = random.below(files) as usize;
        if file != BASE {
            return file;
        }
    };
    let plan = |machine| {
        let mut pushes = vec![any_file(&mut random)];
        if random.once_in(3) {
            pushes.push(any_file(&mut random));
        }
        let pulls = if random.once_in(2) { BASE } else { pushes[0] };
        let over = if random.once_in(3) { 1 + random.below(3) as usize } else { 0 };
        Plan { machine, pushes, pulls, over }
    };
    let parties = 1 + Random::new(seed ^ 0x5eed).below(3) as usize;
    let plans = (1..=parties).map(plan).collect();
    (plans, Faults::Random(Random::new(seed ^ 0xfa17).below(14)))
}
