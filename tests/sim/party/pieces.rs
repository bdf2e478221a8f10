//! A party's upload in pieces, in the order of steps of `potluck_net`'s client: programs beside the first each bring one piece after
//! the other, until all came or a connection breaks, and end with the upload.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Write as _};
use std::rc::Rc;

use potluck_core::{Code, Envelope};
use potluck_net::blob::{Hashed, SendError};
use potluck_wire::Receipt;
use potluck_wire::session::client::{BringCall, Ended, SendingCall, Step};

use super::{Party, Plan, Replies, agreed, call, send_all, source};
use crate::content;
use crate::disk::SimDisk;
use crate::invariants::invariant_a_cut_loses_little;
use crate::link::LinkId;
use crate::program::Cpu;

/// What those who bring pieces of one upload share.
struct Bringing {
    plan: Plan,
    envelope: Envelope,
    /// The connection on which the answer comes.
    answer: LinkId,
    /// Who still brings any.
    at_it: Cell<usize>,
    all_came: Cell<bool>,
    /// The upload ended, well or not.
    over: Cell<bool>,
    links: RefCell<BTreeSet<LinkId>>,
}

/// What the server said to who would bring a piece.
#[derive(PartialEq, Eq)]
enum Asked {
    /// It was brought, and there may be more.
    Again,
    /// There are no more.
    Nothing,
}

/// Lets the content come over as many connections as are planned, and waits for the answer.
pub(super) fn bring<'c>(
    party: &Party<'c>,
    envelope: &Envelope,
    call: SendingCall,
    replies: Replies<'c>,
) -> Option<Receipt> {
    let (cpu, plan) = (party.cpu, party.plan);
    let bringing = Rc::new(Bringing {
        plan: plan.clone(),
        envelope: envelope.clone(),
        answer: replies.incoming.link,
        at_it: Cell::new(plan.over),
        all_came: Cell::default(),
        over: Cell::default(),
        links: RefCell::default(),
    });
    for _ in 0..plan.over {
        let bringing = Rc::clone(&bringing);
        cpu.begin(plan.machine, move |cpu| bringing.bring_all(cpu));
    }
    let receipt = party.await_receipt(call, replies);
    bringing.over.set(true);
    let links = bringing.links.take();
    cpu.world(|world| links.iter().for_each(|link| world.cut(*link, ErrorKind::ConnectionAborted)));
    receipt
}

impl Bringing {
    /// Brings one piece after the other. The answer is waited for as long as anybody does, or all came.
    fn bring_all(&self, cpu: &Cpu) {
        while !self.over.get() && self.bring_one(cpu) == Some(Asked::Again) {}
        self.at_it.set(self.at_it.get() - 1);
        if self.at_it.get() == 0 && !self.all_came.get() && !self.over.get() {
            cpu.world(|world| world.cut(self.answer, ErrorKind::ConnectionAborted));
        }
    }

    fn bring_one(&self, cpu: &Cpu) -> Option<Asked> {
        let (link, outgoing, replies) = call(cpu, self.plan.machine);
        self.links.borrow_mut().insert(link);
        let brought = self.exchange(cpu, outgoing, replies);
        self.links.borrow_mut().remove(&link);
        cpu.world(|world| {
            invariant_a_cut_loses_little(world, link);
            world.cut(link, ErrorKind::ConnectionAborted);
        });
        brought
    }

    fn exchange<'c>(
        &self,
        cpu: &'c Cpu<'c>,
        mut outgoing: crate::link::Outgoing<'c>,
        mut replies: Replies<'c>,
    ) -> Option<Asked> {
        let files = self.plan.pushes.iter().map(|file| content::all()[*file].file.clone());
        let (mut call, request) = BringCall::new(&self.envelope, files.collect());
        outgoing.write_all(&request.to_frame().ok()?).ok()?;
        let wanted = loop {
            let step = call.on(replies.next()?);
            if let Err(Ended::Refused(refusal)) = &step
                && refusal.code == Code::NotFound
            {
                // The upload was over before this was asked.
                self.all_came.set(true);
                return Some(Asked::Nothing);
            }
            if let Step::Done(wanted) = agreed(cpu, step)? {
                break wanted;
            }
        };
        let Some(first) = wanted.first() else {
            self.all_came.set(true);
            return Some(Asked::Nothing);
        };
        let number = content::with(&first.blake3)?;
        let file = &content::all()[number].file;
        let disk = SimDisk { cpu, machine: self.plan.machine };
        let hashed = Hashed::on(&disk, &source(number), &file.blake3, file.size).ok()?;
        outgoing.content = true;
        match send_all(&vec![(number, hashed)], &wanted, &mut outgoing) {
            Ok(()) => outgoing.finish(),
            // The server wants no more: its answer says why.
            Err(SendError::Gone) => (),
            Err(_) => return None,
        }
        let mut call = call.sending();
        loop {
            if let Step::Done(()) = agreed(cpu, call.on(replies.next()?))? {
                return Some(Asked::Again);
            }
        }
    }
}
