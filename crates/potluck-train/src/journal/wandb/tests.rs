//! Frames and records are those of a file that version 0.31 of their program wrote.

use super::*;

fn known() -> Vec<u8> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/journal/known.wandb");
    fs::read(path).unwrap()
}

/// Everything in their file, taken apart and put together, is their file: blocks, parts, checksums.
#[test]
fn frames_are_theirs() {
    let bytes = known();
    let records = frames::read(&bytes);
    assert!(records.len() > 300 && bytes.len() > 32 << 10, "a record crosses a block");
    let mut frames = Frames::at(frames::FILE_HEADER.len());
    let again = records.iter().flat_map(|(record, _)| frames.frame(record));
    assert_eq!(frames::FILE_HEADER.into_iter().chain(again).collect::<Vec<u8>>(), bytes);
}

/// A step of theirs, read as JSON and written by us, is the same bytes.
#[test]
fn history_is_theirs() {
    let bytes = known();
    let mut compared = 0;
    for (bytes, _) in frames::read(&bytes) {
        let Some((number, message)) = read_number(&bytes, 1) else { continue };
        let Some((history_bytes, _)) = read_field(message, 2) else { continue };
        let (mut items, mut rest) = (Vec::new(), history_bytes);
        while let Some((item, after)) = read_field(rest, 1) {
            let (name, value) = read_field(item, 2).unwrap();
            let value = read_field(value, 16).unwrap().0;
            items.push((std::str::from_utf8(name).unwrap(), std::str::from_utf8(value).unwrap()));
            rest = after;
        }
        let step = step_of(history_bytes);
        assert!(items.contains(&("_step", &step.to_string())), "{items:?}");
        // Only their way to write large numbers differs; the field is the same.
        let values: Vec<(&str, Value)> = items
            .iter()
            .filter(|(name, _)| *name != "_timestamp")
            .map(|(name, value)| (*name, serde_json::from_str(value).unwrap()))
            .collect();
        let ours = record(number, 2, &history(step, &values));
        let theirs: Vec<u8> = items
            .iter()
            .filter(|(name, _)| *name != "_timestamp")
            .flat_map(|(name, value)| {
                field(1, &[field(2, name.as_bytes()), field(16, value.as_bytes())].concat())
            })
            .collect();
        let theirs = record(number, 2, &[theirs, field(2, &super::number(1, step))].concat());
        assert_eq!(ours, theirs);
        let whole = items.iter().flat_map(|(name, value)| {
            field(1, &[field(2, name.as_bytes()), field(16, value.as_bytes())].concat())
        });
        let whole = [whole.collect(), field(2, &super::number(1, step))].concat();
        assert_eq!(record(number, 2, &whole), bytes);
        compared += 1;
    }
    assert_eq!(compared, 120);
}

#[test]
fn a_killed_run_goes_on_in_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let figures = [("reward", 0.5), ("kl", f64::NAN)];
    let write = |from: u64, to: u64| {
        let mut run = OfflineRun::resume(folder.path(), "rl", "potluck", from).unwrap();
        (from..to).for_each(|step| run.add_step(step, &figures).unwrap());
        run
    };
    write(0, 300).end().unwrap();
    let path = last_run(&folder.path().join("rl")).unwrap().unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    write(250, 260).end().unwrap();
    let records = frames::read(&fs::read(&path).unwrap());
    let steps: Vec<u64> = records
        .iter()
        .filter_map(|(record, _)| {
            read_field(read_number(record, 1)?.1, 2).map(|(it, _)| step_of(it))
        })
        .collect();
    assert_eq!(steps, (0..260).collect::<Vec<_>>());
    let numbers: Vec<u64> = records.iter().map(|(it, _)| read_number(it, 1).unwrap().0).collect();
    assert_eq!(numbers, (1..=2 + 2 * 260 + 1).collect::<Vec<_>>(), "header, run, two a step, exit");
}
