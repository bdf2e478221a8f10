//! The promises of a witness: of two histories, it cosigns one.

use ed25519_dalek::SigningKey;
use potluck_log::{
    AddCheckpoint, ConsistencyProof, Cosigner, SignedCheckpoint, Witness, WitnessAnswer,
    WitnessRefusal,
};

use super::steps::Steps;
use super::world::{LEAVES, histories, signer};

/// The most requests of one play.
const REQUESTS: usize = 12;

/// Reads a request as it would arrive, and plays a log that asks again and again.
pub fn witness(bytes: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes, "it is written as it was read");
    }
    if let Some(size) = AddCheckpoint::parse_conflict(bytes) {
        assert_eq!(format!("{size}\n").as_bytes(), bytes);
    }
    let mut play = Play::new();
    play.ask(bytes, true);
    let mut steps = Steps(bytes);
    for _ in 0..REQUESTS {
        if steps.is_over() {
            return;
        }
        let (request, is_kept) = play.request(&mut steps);
        play.ask(&request, is_kept);
    }
}

struct Play {
    witness: Witness,
    cosigned: Vec<SignedCheckpoint>,
}

impl Play {
    fn new() -> Self {
        let name = "witness.example/one".parse().unwrap();
        let mut witness = Witness::new(Cosigner::new(name, SigningKey::from_bytes(&[2; 32])));
        witness.watch(signer().verifier_key().clone(), None).unwrap();
        Self { witness, cosigned: Vec::new() }
    }

    fn latest(&self) -> Option<&SignedCheckpoint> {
        self.witness.latest(signer().verifier_key().name())
    }

    /// A request, and whether what comes of it can be kept.
    fn request(&self, steps: &mut Steps<'_>) -> (Vec<u8>, bool) {
        let histories = histories();
        let [history, path] = [(); 2].map(|()| steps.below(2) as usize);
        let (state, size) = (steps.below(2) as u8, steps.below(LEAVES + 1));
        let remembered = self.latest().map_or(0, SignedCheckpoint::size);
        let old = if steps.below(4) == 3 { steps.below(LEAVES + 1) } else { remembered };
        let proof = histories.trees[path].consistency(old.min(size), size).unwrap();
        let mut hashes = proof.hashes().to_vec();
        steps.tamper(&mut hashes, &histories.hashes);
        let proof = ConsistencyProof::from_hashes(hashes).unwrap();
        let signed = histories.signed(history, size, state);
        let mut request = AddCheckpoint::new(old, proof, signed).to_string().into_bytes();
        if steps.below(8) == 7 {
            let at = steps.word() as usize % request.len();
            request[at] ^= 1 << steps.below(8);
        }
        (request, steps.below(8) != 7)
    }

    fn ask(&mut self, request: &[u8], is_kept: bool) {
        let before = self.latest().cloned();
        let mut kept = None;
        let answer = self.witness.add_checkpoint(request, 1, |checkpoint| {
            kept = Some(checkpoint.clone());
            if is_kept { Ok(()) } else { Err("the disk is full") }
        });
        let changed = matches!(answer, Ok(WitnessAnswer::Cosigned { .. }));
        assert_eq!(kept.is_some() && is_kept, changed, "what is cosigned was kept first");
        if !changed {
            assert_eq!(self.latest(), before.as_ref());
        }
        match answer {
            Ok(WitnessAnswer::Cosigned { line }) => {
                let latest = self.latest().unwrap().clone();
                assert_eq!(Some(&latest), kept.as_ref());
                let keys = [self.witness.key().clone()];
                assert_eq!(latest.cosigned_by(&keys).unwrap().len(), 1);
                assert!(latest.note().ends_with(&line));
                self.cosigned.push(latest);
                self.one_history();
            }
            Ok(WitnessAnswer::Refused(refusal)) => refused(&refusal, before.as_ref()),
            Err(_) => (),
        }
    }

    /// Sizes never fall, one size has one text, and there is a history of which all are.
    fn one_history(&self) {
        for pair in self.cosigned.windows(2) {
            assert!(pair[0].size() <= pair[1].size());
            assert!(
                pair[0].size() < pair[1].size() || pair[0].checkpoint() == pair[1].checkpoint()
            );
        }
        let is_of = |history: usize| {
            self.cosigned.iter().all(|it| it.root() == histories().root(history, it.size()))
        };
        assert!(is_of(0) || is_of(1), "two histories are cosigned");
    }
}

fn refused(refusal: &WitnessRefusal, before: Option<&SignedCheckpoint>) {
    let remembered = before.map_or(0, SignedCheckpoint::size);
    assert!([400, 403, 404, 409, 422].contains(&refusal.status()), "{refusal:?}");
    let evidence = match refusal {
        WitnessRefusal::Conflict { size } => return assert_eq!(*size, remembered),
        WitnessRefusal::Inconsistent { evidence: Some(evidence), .. }
        | WitnessRefusal::OtherState { evidence } => evidence,
        _ => return,
    };
    evidence.verify(signer().verifier_key()).unwrap();
}
