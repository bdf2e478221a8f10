//! A program in the simulation: real, blocking code on a coroutine, which stops wherever time passes.
//!
//! Dropped, a program unwinds: that is its SIGKILL. It can happen at each point at which it stops, which is
//! before each change on a disk and at each wait for the network.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use corosensei::{Coroutine, Yielder};

use crate::memory::{self, Meter};
use crate::world::{Main, Micros, World};

/// The number of a program, of which none is used twice.
pub(crate) type ProgramId = u64;

/// What a program is told when it goes on: nothing. It says until when it waits, at most.
type Script = Coroutine<(), Micros, ()>;

/// A program that is under way.
pub(crate) struct Program {
    script: Script,
    meter: Meter,
    /// The machine on which it runs.
    pub(crate) machine: usize,
}

impl Program {
    /// A program that has not begun.
    pub(crate) fn new(
        world: &Rc<RefCell<World>>,
        id: ProgramId,
        machine: usize,
        main: impl FnOnce(&Cpu) + 'static,
    ) -> Self {
        let world = Rc::clone(world);
        let script = Script::new(move |yielder, ()| main(&Cpu { yielder, world, id }));
        Self { script, meter: Meter::default(), machine }
    }

    /// Runs until it waits: says until when, or nothing where it has ended.
    pub(crate) fn run(&mut self) -> Option<Micros> {
        let script = &mut self.script;
        memory::metered(&mut self.meter, || script.resume(())).as_yield()
    }

    /// The most memory that it held so far, in bytes.
    pub(crate) fn peak_memory(&self) -> i64 {
        self.meter.peak()
    }
}

/// What a program runs on: its access to time, and to the world.
pub(crate) struct Cpu<'y> {
    yielder: &'y Yielder<(), Micros>,
    world: Rc<RefCell<World>>,
    /// Its own number.
    pub(crate) id: ProgramId,
}

impl fmt::Debug for Cpu<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Cpu({})", self.id)
    }
}

impl Cpu<'_> {
    /// Asks or changes the world; no program runs meanwhile.
    pub(crate) fn world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        memory::uncounted(|| act(&mut self.world.borrow_mut()))
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Micros {
        self.world(|world| world.now)
    }

    /// Waits until `time`, or until somebody wakes it before.
    pub(crate) fn wait(&self, time: Micros) {
        self.yielder.suspend(time);
    }

    /// Waits for so long, whatever happens.
    pub(crate) fn sleep(&self, time: Micros) {
        let until = self.now() + time;
        while self.now() < until {
            self.wait(until);
        }
    }

    /// Begins another program on a machine. It ends when it ends, or with its machine.
    pub(crate) fn begin(&self, machine: usize, main: impl FnOnce(&Cpu) + 'static) {
        self.world(|world| world.begun.push((machine, Main(Box::new(main)))));
    }

    /// Takes the moment that a change on a disk takes.
    pub(crate) fn step(&self) {
        let until = self.world(|world| world.now + 1 + world.random.below(50));
        self.wait(until);
    }

    /// Writes a line into the trace.
    pub(crate) fn note(&self, what: &'static str, first: u64, second: u64) {
        let id = self.id;
        self.world(|world| world.note(what, id, first, second));
    }
}
