//! The server's side of an upload in pieces, in the order of steps of `potluck_net::server`: the stream of the submission says
//! what is lacking and waits, any stream may ask for a piece and bring it, and the turn is given on once nobody writes any more.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use potluck_core::{Code, Refusal, Sha256};
use potluck_net::blob::{Partial, Share};
use potluck_net::pieces::{Piece, Pieces};
use potluck_wire::ranges::GROUP;
use potluck_wire::session::server::{AwaitPiece, Receiving};
use potluck_wire::{Ranges, Wanted};

use super::{Fault, Held, Lacking, Session, quarantine};
use crate::content::Content;
use crate::disk::SimDisk;
use crate::invariants::{
    held, invariant_no_byte_is_on_two_ways, invariant_no_verified_byte_is_sent_twice,
};
use crate::link::{IDLE, Incoming, LinkId};
use crate::program::{Cpu, ProgramId};
use crate::world::{Micros, SECOND, SERVER};

/// How often who waits looks up, if nobody wakes it.
const BEAT: Micros = SECOND;

/// An upload in pieces that is under way.
#[derive(Debug)]
pub(crate) struct Sharing {
    files: Vec<Lacked>,
    pieces: Arc<Pieces>,
    closed: Cell<bool>,
    /// What is on its way, on which connection: the file's number and its part.
    out: RefCell<BTreeMap<LinkId, (usize, Ranges)>>,
    waiting: RefCell<BTreeSet<ProgramId>>,
}

/// A file of it.
#[derive(Debug)]
struct Lacked {
    content: &'static Content,
    /// The way in is of no program's: who brings a piece has a handle of its own to the disk.
    share: Share<()>,
    /// Which groups were there, or came.
    held: RefCell<Vec<bool>>,
}

impl Sharing {
    fn of(cpu: &Cpu, lacking: &Lacking<'_>) -> Self {
        let file = |(content, partial): &(&'static Content, Partial<SimDisk<'_>>)| {
            let held = cpu.world(|world| held(world, SERVER, &quarantine(content), content));
            Lacked { content, share: partial.share().on(()), held: RefCell::new(held) }
        };
        let files: Vec<_> = lacking.iter().map(file).collect();
        let missing: Vec<_> = files.iter().map(|file| file.share.missing()).collect();
        // Far smaller than they really are, as the files are.
        let size = cpu.world(|world| GROUP << world.random.below(3));
        let pieces = Pieces::sized(&missing, size..=size);
        Self {
            files,
            pieces,
            closed: Cell::default(),
            out: RefCell::default(),
            waiting: RefCell::default(),
        }
    }

    /// Waits for what other programs do, and looks up once in a while.
    fn wait<T>(
        &self,
        cpu: &Cpu,
        future: impl Future<Output = T>,
        mut look_up: impl FnMut() -> Result<(), Fault>,
    ) -> Result<T, Fault> {
        let (mut future, mut next) = (pin!(future), cpu.now() + BEAT);
        loop {
            // Whom to wake is written down here, as the scheduler has no wakers.
            self.waiting.borrow_mut().insert(cpu.id);
            let mut context = Context::from_waker(Waker::noop());
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return Ok(output);
            }
            if cpu.now() >= next {
                look_up()?;
                next = cpu.now() + BEAT;
            }
            cpu.wait(next);
        }
    }

    /// A piece came, failed, or is of no use any more.
    fn changed(&self, cpu: &Cpu) {
        let waiting = self.waiting.take();
        cpu.world(|world| waiting.iter().for_each(|program| world.wake(*program)));
    }

    async fn all_came(&self) {
        loop {
            let change = self.pieces.change();
            if self.pieces.is_done() {
                return;
            }
            change.await;
        }
    }
}

/// A piece that a program takes in; dropped, somebody else may bring it.
struct Taking<'c> {
    cpu: &'c Cpu<'c>,
    sharing: &'c Sharing,
    link: LinkId,
    piece: Option<Piece>,
}

impl Drop for Taking<'_> {
    fn drop(&mut self) {
        self.sharing.out.borrow_mut().remove(&self.link);
        drop(self.piece.take());
        self.sharing.changed(self.cpu);
    }
}

impl<'c> Session<'c> {
    /// Waits until all came in pieces, and until nobody writes any more.
    pub(super) fn share(
        &self,
        held: &Held<'_>,
        lacking: &Lacking<'c>,
        state: &Receiving,
        offer: impl FnOnce() -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let sharing = Rc::new(Sharing::of(self.cpu, lacking));
        // Before the peer hears of it, and brings pieces.
        self.memory.borrow_mut().sharings.insert(held.key.clone(), Rc::clone(&sharing));
        let came = offer().and_then(|()| self.await_pieces(&sharing, held, state));
        self.close(&sharing, held)?;
        came
    }

    fn await_pieces(
        &self,
        sharing: &Sharing,
        held: &Held<'_>,
        state: &Receiving,
    ) -> Result<(), Fault> {
        let total = sharing.pieces_missing();
        let mut busy = self.cpu.now();
        sharing.wait(self.cpu, sharing.all_came(), || {
            let now = self.cpu.now();
            if sharing.pieces.out() > 0 {
                busy = now;
            }
            if !held.is_newest() {
                return Err(Fault::Gone);
            }
            if now > busy + IDLE {
                return Err(Refusal::new(Code::TooSlow, "nobody brings the content").into());
            }
            let done = total - sharing.pieces_missing();
            // A peer that is gone is found out by the silence.
            let _ = self.reply(&state.progress(done, total));
            Ok(())
        })
    }

    /// What is still brought breaks off.
    fn close(&self, sharing: &Sharing, held: &Held<'_>) -> Result<(), Fault> {
        sharing.closed.set(true);
        self.memory.borrow_mut().sharings.remove(&held.key);
        let links: Vec<_> = sharing.out.borrow().keys().copied().collect();
        self.cpu.world(|world| links.iter().for_each(|link| world.supersede(*link)));
        sharing.wait(self.cpu, sharing.pieces.idle(), || Ok(()))
    }

    /// Answers who wants to bring a piece.
    pub(super) fn bring(
        &self,
        envelope: Sha256,
        state: AwaitPiece,
        incoming: &mut Incoming<'c>,
    ) -> Result<(), Fault> {
        let sharing = self.memory.borrow().sharings.get(&envelope.to_string()).cloned();
        let sharing =
            sharing.ok_or_else(|| Refusal::new(Code::NotFound, "no such upload is under way"))?;
        let next = sharing.wait(self.cpu, sharing.pieces.next(), || {
            // A peer that is gone is found out when it is to bring something.
            let _ = self.reply(&state.progress(0, 0));
            Ok(())
        })?;
        let Some(piece) = next.filter(|_| !sharing.closed.get()) else {
            sharing.changed(self.cpu);
            return Ok(self.reply(&state.wanted(&[]).1)?);
        };
        let (number, span) = (piece.file, [piece.span.start, piece.span.end]);
        let Lacked { content, share, held } = &sharing.files[number];
        let ranges = Ranges::new(content.file.size, &[span])
            .map_err(|error| Refusal::new(Code::Internal, error.to_string()))?;
        self.cpu.world(|world| {
            world.tally.pieces += 1;
            invariant_no_verified_byte_is_sent_twice(world, content, &held.borrow(), &ranges);
            for (other, out) in sharing.out.borrow().values() {
                invariant_no_byte_is_on_two_ways(world, (number, &ranges), (*other, out));
            }
        });
        sharing.out.borrow_mut().insert(self.link, (number, ranges.clone()));
        let mut taking =
            Taking { cpu: self.cpu, sharing: &sharing, link: self.link, piece: Some(piece) };
        let (state, reply) =
            state.wanted(&[Wanted { blake3: content.file.blake3, ranges: ranges.clone() }]);
        self.reply(&reply)?;
        let share = share.on(self.disk());
        let (first, total) = ((span[0] / GROUP) as usize, ranges.byte_count());
        let received = self.receive(
            content,
            &ranges,
            &mut |from, on_group| {
                let mut numbers = first..;
                share.receive(&ranges, from, &mut |bytes| {
                    numbers.next().into_iter().for_each(|number| held.borrow_mut()[number] = true);
                    on_group(bytes);
                })
            },
            incoming,
            |done| drop(self.reply(&state.progress(done, total))),
        );
        if let Some(piece) = taking.piece.take() {
            piece.end(&share.missing());
        }
        drop(taking);
        received?;
        Ok(self.reply(&state.brought())?)
    }
}

impl Sharing {
    fn pieces_missing(&self) -> u64 {
        self.files.iter().map(|file| file.share.missing().byte_count()).sum()
    }
}
