//! Whatever bytes arrive, each parser answers; what it accepts, it writes back unchanged.

use potluck_log::{
    AddCheckpoint, Checkpoint, CosignerKey, ForkEvidence, Frontier, Hash, Note, Origin,
    SignedCheckpoint, TileId, TlogProof, VerifierKey, decode_bundle,
};
use proptest::prelude::*;

use crate::{grown, signer};

/// What one log writes, and its key: what parsers meet in practice.
fn honest() -> [String; 6] {
    let signer = signer(1);
    let origin = signer.verifier_key().name().clone();
    let tree = grown(11);
    let root = tree.root();
    let checkpoint = Checkpoint { origin, size: 11, root, state: [0xc0; 32] }.sign(&signer);
    let opened = SignedCheckpoint::open(&checkpoint, signer.verifier_key()).unwrap();
    let receipt = TlogProof::new(4, tree.inclusion(4, 11).unwrap(), &opened);
    let request = AddCheckpoint::new(4, tree.consistency(4, 11).unwrap(), &opened).to_string();
    let mut frontier = Frontier::new();
    (0..11).for_each(|n| _ = frontier.push(&crate::record(n)).unwrap());
    let path = vec![root; 5];
    let evidence = ForkEvidence::rewritten(&opened, &opened, path).unwrap().to_string();
    [
        frontier.to_string(),
        request,
        evidence,
        checkpoint,
        receipt.to_string(),
        signer.verifier_key().to_string(),
    ]
}

/// Asks every parser about `bytes`.
fn ask_all(bytes: &[u8]) {
    if let Ok(note) = Note::parse(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_string().as_bytes(), bytes);
    }
    for width in [0, 1, 2, 256, u16::MAX] {
        let entries = decode_bundle(bytes, width);
        assert!(entries.is_err() || entries.is_ok_and(|all| all.len() == usize::from(width)));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(frontier) = text.parse::<Frontier>() {
        assert_eq!(frontier.to_string(), text);
        frontier.root();
    }
    if let Ok(evidence) = text.parse::<ForkEvidence>() {
        // JSON has many texts for one value.
        assert_eq!(evidence.to_string().parse::<ForkEvidence>().unwrap(), evidence);
        let _ = evidence.verify(signer(1).verifier_key());
    }
    if let Ok(tile) = text.parse::<TileId>() {
        assert_eq!(tile.to_string(), text);
    }
    if let Ok(key) = text.parse::<CosignerKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(proof) = text.parse::<TlogProof>() {
        assert_eq!(proof.to_string(), text);
        let _ = proof.verify(b"record", signer(1).verifier_key());
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text);
    }
    if let Ok(hash) = text.parse::<Hash>() {
        assert_eq!(hash.to_string(), text);
    }
    if let Ok(origin) = text.parse::<Origin>() {
        assert_eq!(origin.to_string(), text);
    }
    if let Ok(checkpoint) = SignedCheckpoint::open(text, signer(1).verifier_key()) {
        assert_eq!(checkpoint.note(), text);
    }
}

proptest! {
    #[test]
    fn bytes_of_any_kind(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        ask_all(&bytes);
    }

    #[test]
    fn text_of_the_right_alphabet(
        text in "(c2sp.org/tlog-proof@v1\nindex )?[-+/=A-Za-z0-9 \n—]{0,300}(\n\n— [a-z]{0,9} [A-Za-z0-9+/=]{0,99}\n)?"
    ) {
        ask_all(text.as_bytes());
    }

    #[test]
    fn paths_that_look_like_tiles(
        path in "tile/(entries|[0-9]{1,3})/(x[0-9]{3}/){0,7}[0-9]{3}(\\.p/[0-9]{1,4})?"
    ) {
        ask_all(path.as_bytes());
    }

    #[test]
    fn honest_texts_with_pieces_changed(
        which in 0usize..6,
        (from, to) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        piece in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut bytes = honest()[which].clone().into_bytes();
        let (from, to) = (from.index(bytes.len() + 1), to.index(bytes.len() + 1));
        bytes.splice(from.min(to)..from.max(to), piece);
        ask_all(&bytes);
    }

    #[test]
    fn signed_bodies_are_opened_as_they_were_made(
        size in 0u64..=1 << 62,
        root in any::<[u8; 32]>(),
        state in any::<[u8; 32]>(),
    ) {
        let signer = signer(3);
        let key = signer.verifier_key();
        let checkpoint = Checkpoint { origin: key.name().clone(), size, root: Hash(root), state };
        let opened = SignedCheckpoint::open(&checkpoint.sign(&signer), key).unwrap();
        prop_assert_eq!(opened.checkpoint(), &checkpoint);
    }
}
