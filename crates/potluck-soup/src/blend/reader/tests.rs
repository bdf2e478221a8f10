use std::io::{Read as _, Seek as _, SeekFrom};
use std::num::NonZeroUsize;
use std::path::Path;

use potluck_core::recipe::Arithmetic;
use potluck_core::{Blake3, PartyId, Recipe};
use proptest::prelude::*;

use super::*;
use crate::blend::{Making, Shape, Soup, Wanted, blend, linear, planned};
use crate::checkpoint::Checkpoint;
use crate::layout::Dtype;
use crate::samples::{experts, f32s, halves};
use crate::write::Durability;

/// Two experts of three tensors; the last one's second part is not finite.
fn soup(folder: &Path) -> Soup {
    let tensors = |scale: f32| {
        let ramp: Vec<_> = (0..300).map(|i| i as f32 * scale).collect();
        vec![f32s("a", &ramp), halves("c", Dtype::Bf16, &[0x3f80, 0x4000, 0x4040])]
    };
    let given: Vec<_> = experts(folder, &[tensors(1.0), tensors(-0.5)])
        .into_iter()
        .map(|(party, path)| (party, 500_000, Checkpoint::open(&path).unwrap()))
        .collect();
    let given: Vec<_> = given.iter().map(|(party, ppm, it)| (party.clone(), *ppm, it)).collect();
    let recipe = Some(Blake3::of(b"recipe"));
    linear(&given, &Wanted { shape: Shape::One, dtype: None, recipe }).unwrap()
}

fn written(soup: &Soup, folder: &Path) -> Vec<u8> {
    let making = Making { threads: NonZeroUsize::MIN, blake3: false, sha256: false };
    let path = folder.join("soup");
    soup.files()[0].write(&path, making, Durability::Cached, &mut |_| {}).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_stream_is_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let soup = soup(folder.path());
    let mut bytes = Vec::new();
    soup.files()[0].reader().read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, written(&soup, folder.path()));
}

#[test]
fn positions_are_those_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let soup = soup(folder.path());
    let bytes = written(&soup, folder.path());
    let mut reader = soup.files()[0].reader();
    assert_eq!(reader.seek(SeekFrom::End(-2)).unwrap(), bytes.len() as u64 - 2);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, bytes[bytes.len() - 2..]);
    assert_eq!(reader.seek(SeekFrom::Current(-5)).unwrap(), bytes.len() as u64 - 5);
    assert!(reader.seek(SeekFrom::Current(i64::MIN)).is_err());
    assert_eq!(reader.seek(SeekFrom::Start(u64::MAX)).unwrap(), u64::MAX);
    assert_eq!(reader.read(&mut [0; 4]).unwrap(), 0);
}

#[test]
fn only_what_lies_under_the_range_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let soup = soup(folder.path());
    let file = &soup.files()[0];
    let expected = written(&soup, folder.path());
    // Tensor c is no longer there: a can still be read, to its last byte.
    let path = folder.path().join("b.safetensors");
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length - 6).unwrap();
    let end = file.tensors()[0].end;
    let mut reader = file.reader();
    let mut bytes = vec![0; usize::try_from(end).unwrap()];
    reader.read_exact(&mut bytes).unwrap();
    assert_eq!(bytes, expected[..bytes.len()]);
    let error = reader.read(&mut [0; 1]).unwrap_err().to_string();
    assert!(error.contains("b.safetensors became shorter"), "{error}");
}

#[test]
fn what_is_planned_reads_as_the_file_that_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let ramp = |scale: f32| (0..90_000).map(|i| i as f32 * scale).collect::<Vec<_>>();
    let tensors = |scale| vec![f32s("w", &ramp(scale)), halves("b", Dtype::Bf16, &[0x3f80])];
    let given = experts(folder.path(), &[tensors(1.0), tensors(-0.5)]);
    for lambda in ["a=0.3,b=0.7", "b=1"] {
        let manifest = |party: &PartyId| Some(Blake3::of(party.as_str().as_bytes()));
        let recipe = Recipe::new(
            Arithmetic::Linear1,
            Blake3::of(b"base"),
            &lambda.parse().unwrap(),
            manifest,
        )
        .unwrap();
        let mixed = |party: &PartyId| recipe.experts().iter().any(|it| it.party == *party);
        let given: Vec<_> = given.iter().filter(|(party, _)| mixed(party)).cloned().collect();
        let path = folder.path().join("published");
        blend(&recipe, &given, &path, NonZeroUsize::MIN, &mut |_, _| {}).unwrap();
        let bytes = std::fs::read(path).unwrap();

        let open = |(party, path): &(_, std::path::PathBuf)| {
            (PartyId::clone(party), Checkpoint::open(path).unwrap())
        };
        let soup = planned(&recipe, &given.iter().map(open).collect::<Vec<_>>()).unwrap();
        let file = &soup.files()[0];
        assert_eq!(file.length(), bytes.len() as u64);
        let mut bench = Bench::default();
        for tile in [1, 4099, 65_536, 1 << 20] {
            let mut streamed = Vec::new();
            for offset in (0..bytes.len()).step_by(tile) {
                let mut piece = vec![0; tile.min(bytes.len() - offset)];
                let read = file.read_at(&mut bench, offset as u64, &mut piece).unwrap();
                assert_eq!(read, piece.len());
                streamed.extend_from_slice(&piece);
                if tile == 1 && offset > 300 {
                    break;
                }
            }
            assert_eq!(streamed, bytes[..streamed.len()]);
        }
    }
}

proptest! {
    #[test]
    fn any_range_is_that_of_the_file(from in 0u64..1600, length in 0usize..1600) {
        let folder = tempfile::tempdir().unwrap();
        let soup = soup(folder.path());
        let bytes = written(&soup, folder.path());
        let mut piece = vec![0; length];
        let read = soup.files()[0].read_at(&mut Bench::default(), from, &mut piece).unwrap();
        let from = usize::try_from(from).unwrap().min(bytes.len());
        prop_assert_eq!(&piece[..read], &bytes[from..(from + length).min(bytes.len())]);
    }
}
