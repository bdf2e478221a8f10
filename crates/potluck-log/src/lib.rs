//! A transparency log as pure values: Merkle tree, proofs, tiles, signed notes, checkpoints,
//! cosignatures, a witness, and proof of a fork.
//!
//! The formats are those of C2SP (`signed-note`, `tlog-checkpoint`, `tlog-tiles`, `tlog-cosignature`,
//! `tlog-witness`, `tlog-proof@v1`), the tree is that of RFC 6962 with SHA-256, so any monitor that
//! knows them can read this log. Signatures are Ed25519, checked by `verify_strict` alone; weak and
//! non-canonical keys are refused at the door.
//!
//! ```text
//! record ─ leaf_hash ─> TileEdge ─ root ─> Checkpoint ─ sign ─> note text
//!                          │ tiles                                 │ SignedCheckpoint::open
//!                        Tiles ─ inclusion ──> InclusionProof ─────┴──> TlogProof ─ verify ─> Logged
//!                          └─ consistency ─> ConsistencyProof ─┬─ verify ─> Consistent
//!                                               AddCheckpoint ─┴─ Witness ─> cosignature line
//! record ─ leaf_hash ─> Frontier ─ root = SignedCheckpoint's?        │ add_cosignatures
//! two SignedCheckpoints ─ ForkEvidence ─ verify ─> ForkProof      Cosigned
//! ```
//!
//! What a check has established is a value that only the check can make: [`Included`],
//! [`Consistent`], [`VerifiedText`], [`SignedCheckpoint`], [`Cosigned`], [`Logged`], [`ForkProof`].
//!
//! This room opens no file and no socket, reads no clock and keeps no record: the aggregator stores
//! entries and tiles and feeds their bytes in; parties and auditors feed in what they were sent. Whatever
//! they feed in, the answer is a value or a typed error, never a panic.

mod hash;
mod tree;

mod consistency;
mod inclusion;

mod frontier;
mod tile;

mod key;
mod note;
mod origin;

mod checkpoint;
mod cosignature;
mod evidence;
mod tlog_proof;
mod witness;

mod decimal;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use consistency::{ConsistencyError, ConsistencyProof, Consistent};
pub use cosignature::{
    CosignError, CosignatureError, Cosigned, Cosigner, CosignerKey, MAX_COSIGNATURE_TIME,
};
pub use evidence::{
    ForkEvidence, ForkKind, ForkProof, MAX_EVIDENCE_BYTES, NotAFork, ParseEvidenceError,
};
pub use frontier::{Frontier, ParseFrontierError, TreeFull};
pub use hash::{Hash, ParseHashError, leaf_hash};
pub use inclusion::{Included, InclusionError, InclusionProof, MAX_PROOF_HASHES, TooManyHashes};
pub use key::{NoteSigner, VerifierKey, VerifierKeyError};
pub use note::{
    MAX_NOTE_BYTES, MAX_SIGNATURES, Note, NoteParseError, NoteSignature, NoteVerifyError,
    VerifiedText,
};
pub use origin::{MAX_ORIGIN_BYTES, Origin, OriginError};
pub use tile::{
    BundleError, MAX_ENTRY_BYTES, TILE_WIDTH, TileEdge, TileError, TileId, TileIdError, TileLevel,
    TileReader, Tiles, decode_bundle, encode_bundle,
};
pub use tlog_proof::{
    Logged, MAX_TLOG_PROOF_BYTES, TlogProof, TlogProofError, TlogProofParseError,
};
pub use tree::{MAX_TREE_SIZE, ProofError, Tree};
pub use witness::{
    AddCheckpoint, AddCheckpointError, MAX_ADD_CHECKPOINT_BYTES, WatchError, Witness,
    WitnessAnswer, WitnessRefusal,
};
