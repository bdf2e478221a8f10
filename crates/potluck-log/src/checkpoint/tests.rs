use ed25519_dalek::SigningKey;

use super::*;

const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";
const STATE: &str =
    "potluck-state/1 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn log() -> NoteSigner {
    let key = SigningKey::from_bytes(&[1; 32]);
    NoteSigner::new("example.com/behind-the-sofa".parse().unwrap(), key)
}

fn open(body: &str) -> Result<SignedCheckpoint, CheckpointError> {
    let log = log();
    let note = Note::sign(body.to_owned(), &log).to_string();
    SignedCheckpoint::open(&note, log.verifier_key())
}

#[test]
fn the_body_of_the_specification_and_the_state_are_read_and_written() {
    let body = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n{STATE}\n");
    let opened = open(&body).unwrap();
    assert_eq!(opened.size(), 20_852_163);
    assert_eq!(opened.root().to_base64(), ROOT);
    assert_eq!(STATE, format!("potluck-state/1 {}", hex::encode(opened.state())));
    assert_eq!(opened.checkpoint().body(), body);
    assert_eq!(opened.checkpoint().sign(&log()), opened.note());
}

#[test]
fn the_signed_bytes_are_known() {
    // The note was made independently, by Python's hashlib and OpenSSL.
    let (origin, root) = (log().verifier_key().name().clone(), Hash::empty_root());
    let empty = Checkpoint { origin, size: 0, root, state: [0xab; 32] };
    assert_eq!(
        empty.sign(&log()),
        "example.com/behind-the-sofa\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\
         potluck-state/1 abababababababababababababababababababababababababababababababab\n\n\
         — example.com/behind-the-sofa be1zqUHtnMYHfY/vulZ83lWanGM242f149rdQwsBEmgRFXM1u4\
         tiQRLSOn+yryx47InzPlmo15iEDrTHrezvbcwjNQk=\n"
    );
}

#[test]
fn what_is_signed_opens_as_the_same() {
    let (origin, root) = (log().verifier_key().name().clone(), Hash::empty_root());
    let checkpoint = Checkpoint { origin, size: 7, root, state: [0xab; 32] };
    let signed = checkpoint.clone().into_signed(&log(), []).unwrap();
    let opened = SignedCheckpoint::open(signed.note(), log().verifier_key()).unwrap();
    assert_eq!(signed, opened);
    let other = Checkpoint { origin: "example.com/other".parse().unwrap(), ..checkpoint.clone() };
    assert!(matches!(other.into_signed(&log(), []), Err(CheckpointError::OtherLog { .. })));
    let huge = Checkpoint { size: MAX_TREE_SIZE + 1, ..checkpoint };
    assert!(matches!(huge.into_signed(&log(), []), Err(CheckpointError::TreeTooBig { .. })));
}

#[test]
fn signed_nonsense_has_names() {
    let origin = "example.com/behind-the-sofa";
    let bodies = [
        format!("{origin}\n1\n"),
        format!("{origin}\n1\n{ROOT}\n"),
        format!("{origin}\n1\n{ROOT}\nextension\n"),
        format!("{origin}\n1\n{ROOT}\n\n"),
        format!("{origin}\n1\n{ROOT}\n{STATE}\nextension\n"),
        format!("{origin}\n1\n{ROOT}\nextension\n{STATE}\n"),
        format!("{origin}\n1\n{ROOT}\n{STATE}\n{STATE}\n"),
        format!("{origin}\n1\n{ROOT}\n{STATE}\n\n"),
        format!("{origin}\n1\n{ROOT}\n{STATE} \n"),
        format!("{origin}\n1\n{ROOT}\n{STATE}0\n"),
        format!("{origin}\n1\n{ROOT}\n{}\n", &STATE[..STATE.len() - 1]),
        format!("{origin}\n1\n{ROOT}\n{}\n", STATE.replace('a', "A")),
        format!("{origin}\n1\n{ROOT}\n{}\n", STATE.replace("e/1", "e/2")),
        format!("{origin}\n01\n{ROOT}\n{STATE}\n"),
        format!("{origin}\n-1\n{ROOT}\n{STATE}\n"),
        format!("{origin}\n18446744073709551616\n{ROOT}\n{STATE}\n"),
        format!("{origin}\n1\n{}\n{STATE}\n", &ROOT[4..]),
        format!("{origin}\n1\n{ROOT} \n{STATE}\n"),
    ];
    for body in bodies {
        assert_eq!(open(&body), Err(CheckpointError::Body), "{body:?}");
    }
    let size = MAX_TREE_SIZE + 1;
    let too_big = open(&format!("{origin}\n{size}\n{ROOT}\n{STATE}\n"));
    assert_eq!(too_big, Err(CheckpointError::TreeTooBig { size }));
    let expected = origin.parse().unwrap();
    let other = open(&format!("example.com/other\n1\n{ROOT}\n{STATE}\n"));
    assert_eq!(other, Err(CheckpointError::OtherLog { expected }));
}

#[test]
fn a_strangers_checkpoint_is_refused() {
    let stranger =
        NoteSigner::new(log().verifier_key().name().clone(), SigningKey::from_bytes(&[2; 32]));
    let body = format!("example.com/behind-the-sofa\n1\n{ROOT}\n{STATE}\n");
    let note = Note::sign(body, &stranger).to_string();
    let refused = SignedCheckpoint::open(&note, log().verifier_key());
    assert!(matches!(refused, Err(CheckpointError::Signature(NoteVerifyError::Unsigned { .. }))));
}
