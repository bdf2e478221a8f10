use proptest::prelude::*;

use super::*;
use crate::samples::{f32s, file, halves, open, raw};

fn layout_of(bytes: &[u8]) -> Result<Layout, LayoutError> {
    Layout::of(&open(bytes), HeaderLimit::BASE)
}

/// A header of one entry beside which nothing is wrong.
fn refused(header: &str, data: usize) -> LayoutError {
    layout_of(&raw(header, &vec![0; data])).unwrap_err()
}

fn entry(name: &str, dtype: &str, shape: &str, begin: u64, end: u64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{begin},{end}]}}"#)
}

#[test]
fn tensors_stand_in_order_of_their_names() {
    let samples = [f32s("b", &[1.0, 2.0]), halves("a.x", Dtype::Bf16, &[1]), f32s("B", &[])];
    let layout = layout_of(&file(&samples)).unwrap();
    let names: Vec<_> = layout.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["B", "a.x", "b"]);
    let b = layout.tensor("b").unwrap();
    assert_eq!((b.elements(), b.bytes(), b.range.start), (2, 8, layout.data_start()));
    assert_eq!(layout.data_bytes(), 10);
    assert!(layout.tensor("c").is_none());
}

#[test]
fn metadata_and_padding_are_read() {
    let header =
        format!(r#"{{"__metadata__":{{"z":"1","a":"é"}},{}}}   "#, entry("t", "F16", "[]", 0, 2));
    let layout = layout_of(&raw(&header, &[0; 2])).unwrap();
    assert_eq!(layout.metadata(), [("z".into(), "1".into()), ("a".into(), "é".into())]);
    assert_eq!(layout.tensors()[0].shape, [0u64; 0]);
}

#[test]
fn a_header_is_measured_before_it_is_read() {
    // The length claims more than any file has; nothing of that size may be allocated.
    for claim in [u64::MAX, 1 << 62, 100 << 20, MAX_HEADER + 1] {
        let bytes = [&claim.to_le_bytes()[..], b"{}"].concat();
        let error = layout_of(&bytes).unwrap_err();
        assert!(
            matches!(error, LayoutError::HeaderTooLong { size, .. } if size == claim),
            "{error}"
        );
    }
    let cut = [&100u64.to_le_bytes()[..], b"{}"].concat();
    assert!(matches!(layout_of(&cut), Err(LayoutError::HeaderCut { size: 100, available: 2 })));
    assert!(matches!(layout_of(b"1234567"), Err(LayoutError::TooShort(7))));
}

#[test]
fn a_hundred_megabytes_of_header_are_refused_unread() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(200 << 20).unwrap();
    file.write_all_at(&(100u64 << 20).to_le_bytes(), 0).unwrap();
    let error = Layout::of(&file, HeaderLimit::BASE).unwrap_err();
    assert!(matches!(error, LayoutError::HeaderTooLong { limit: MAX_HEADER, .. }));
}

#[test]
fn an_experts_header_is_measured_by_its_base() {
    let base = layout_of(&file(&[f32s("a", &[1.0])])).unwrap();
    let limit = HeaderLimit::for_expert_of(&base);
    assert_eq!(limit.bytes(), 8192 + 512);
    let padded = |spaces: usize| {
        let header = format!("{{{}}}{}", entry("a", "F32", "[1]", 0, 4), " ".repeat(spaces));
        open(&raw(&header, &[0; 4]))
    };
    assert!(Layout::of(&padded(8000), limit).is_ok());
    assert!(matches!(Layout::of(&padded(9000), limit), Err(LayoutError::HeaderTooLong { .. })));
}

#[test]
fn the_json_is_strict() {
    let good = entry("a", "F32", "[1]", 0, 4);
    let with = |field: &str| format!(r#"{{"a":{{"dtype":"F32","shape":[1],{field}}}}}"#);
    let cases = [
        ("", "begin with '{'"),
        (" {}", "begin with '{'"),
        ("\u{feff}{}", "begin with '{'"),
        ("[]", "begin with '{'"),
        ("{", "a string expected, at byte 1"),
        ("{}x", "something else than spaces"),
        ("{}\n", "something else than spaces"),
        ("{}{}", "something else than spaces"),
        ("{,}", "a string expected"),
        (&format!("{{{good},}}"), "a string expected"),
        (&format!("{{{good}"), "',' or '}' expected"),
        (r#"{"a":1}"#, "'{' expected"),
        (r#"{"a":null}"#, "'{' expected"),
        (r#"{"a":["F32",[1],[0,4]]}"#, "'{' expected"),
        (r#"{"__metadata__":null}"#, "'{' expected"),
        (r#"{"__metadata__":{"a":"1","a":"2"}}"#, "stands twice"),
        (r#"{"__metadata__":{"a":"1","\u0061":"2"}}"#, "stands twice"),
        (r#"{"__metadata__":{},"__metadata__":{}}"#, "stands twice"),
        (r#"{"__metadata__":{},"__metadat\u0061__":{}}"#, "stands twice"),
        (r#"{"__metadata__":{"a":1}}"#, "a string expected"),
        (r#"{"__metadata__":{"a":{"b":"c"}}}"#, "a string expected"),
        (&with(r#""data_offsets":[0,4],"x":1"#), "unknown field"),
        (&with(r#""data_offsets":[0,4],"dtype":"F32""#), "field of a tensor stands twice"),
        (&with(r#""data_offsets":[0,4],"shap\u0065":[1]"#), "field of a tensor stands twice"),
        (&with(r#""dataoffsets":[0,4]"#), "unknown field"),
        (r#"{"a":{"dtype":"F32","shape":[1]}}"#, "is missing"),
        (r#"{"a":{}}"#, "is missing"),
        (r#"{"a":{"dtype":4}}"#, "a string expected"),
        (r#"{"a":{"dtype":["F32"]}}"#, "a string expected"),
        (r#"{"a":{"shape":1}}"#, "'[' expected"),
        (r#"{"a":{"shape":{}}}"#, "'[' expected"),
        (r#"{"a":{"shape":[[1]]}}"#, "integer"),
        (r#"{"a":{"shape":["1"]}}"#, "integer"),
        (r#"{"a":{"shape":[-1]}}"#, "integer"),
        (r#"{"a":{"shape":[-0]}}"#, "integer"),
        (r#"{"a":{"shape":[01]}}"#, "expected"),
        (r#"{"a":{"shape":[1.0]}}"#, "integer"),
        (r#"{"a":{"shape":[1e3]}}"#, "integer"),
        (r#"{"a":{"shape":[1e999999999]}}"#, "integer"),
        (r#"{"a":{"shape":[18446744073709551616]}}"#, "integer"),
        (r#"{"a":{"shape":[true]}}"#, "integer"),
        (r#"{"a":{"shape":[null]}}"#, "integer"),
        (r#"{"a":{"shape":[NaN]}}"#, "integer"),
        (r#"{"a":{"shape":[1,1,1,1,1,1,1,1,1]}}"#, "too many dim"),
        (&with(r#""data_offsets":[0,4,4]"#), "more than two"),
        (&with(r#""data_offsets":[0]"#), "less than two"),
        (&with(r#""data_offsets":[]"#), "less than two"),
        (&with(r#""data_offsets":[0,-4]"#), "integer"),
        (&with(r#""data_offsets":[0,4e0]"#), "integer"),
        (&with(r#""data_offsets":[0,184467440737095516160]"#), "integer"),
        ("{\"a\u{1}\":", "control character"),
        (r#"{"\ud800":{}}"#, "an escape that is none"),
        (r#"{"\q":{}}"#, "an escape that is none"),
        (r#"{"a"#, "ends within a string"),
        (r#"{"a\"#, "ends within a string"),
    ];
    for (header, expected) in cases {
        let error = refused(header, 4).to_string();
        assert!(error.contains(expected), "{header}: {error}");
    }
    assert!(layout_of(&raw(&format!("{{{good}}}"), &[0; 4])).is_ok());
    let spaced = format!("{{ \n{}\t}} ", good.replace(':', " : ").replace(',', " , "));
    assert!(layout_of(&raw(&spaced, &[0; 4])).is_ok());
}

#[test]
fn what_is_not_utf_8_is_refused() {
    for header in
        [&b"{\"\xff"[..], b"{\"\xc0\xaf\":{}}", b"{\"\xed\xa0\x80\":{}}", b"{}\xff", b"{\0}"]
    {
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header].concat();
        assert!(matches!(layout_of(&bytes), Err(LayoutError::Json(_))), "{header:?}");
    }
}

#[test]
fn depth_and_width_are_bounded() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!(r#"{{"a":{}1{}}}"#, open.repeat(100_000), close.repeat(100_000));
        assert!(matches!(refused(&deep, 0), LayoutError::Json(_)));
        let deep =
            format!(r#"{{"a":{{"shape":{}1{}}}}}"#, open.repeat(100_000), close.repeat(100_000));
        assert!(matches!(refused(&deep, 0), LayoutError::Json(_)));
    }
    let shape = format!(r#"{{"a":{{"shape":[{}1]}}}}"#, "1,".repeat(1_000_000));
    assert!(matches!(refused(&shape, 0), LayoutError::Json(_)));
    let number = format!(r#"{{"a":{{"shape":[{}]}}}}"#, "9".repeat(1_000_000));
    assert!(matches!(refused(&number, 0), LayoutError::Json(_)));
    let keys: Vec<_> = (0..100_000).map(|key| format!(r#""{key}":"""#)).collect();
    let metadata = format!(r#"{{"__metadata__":{{{}}}}}"#, keys.join(","));
    assert!(refused(&metadata, 0).to_string().contains("too many keys"));
}

/// A header of that many empty tensors.
fn crowd(tensors: usize) -> Vec<u8> {
    let entries: Vec<_> =
        (0..tensors).map(|i| entry(&format!("{i:x}"), "I8", "[0]", 0, 0)).collect();
    format!("{{{}}}", entries.join(",")).into_bytes()
}

#[test]
fn tensors_are_counted() {
    assert_eq!(Layout::parse(&crowd(MAX_TENSORS), 0).unwrap().tensors().len(), MAX_TENSORS);
    assert!(matches!(Layout::parse(&crowd(MAX_TENSORS + 1), 0), Err(LayoutError::TooMany)));
}

#[test]
fn a_local_file_may_have_a_longer_header() {
    let mut header = crowd(1);
    header.resize(MAX_LOCAL_HEADER as usize, b' ');
    let file = open(&raw(std::str::from_utf8(&header).unwrap(), &[]));
    assert!(Layout::of(&file, HeaderLimit::LOCAL).is_ok());
    assert!(matches!(Layout::of(&file, HeaderLimit::BASE), Err(LayoutError::HeaderTooLong { .. })));
    let longer = [&(MAX_LOCAL_HEADER + 1).to_le_bytes()[..], b"{}"].concat();
    let error = Layout::of(&open(&longer), HeaderLimit::LOCAL).unwrap_err();
    assert!(matches!(error, LayoutError::HeaderTooLong { limit: MAX_LOCAL_HEADER, .. }));
}

#[test]
fn positions_in_a_file_fit_a_file() {
    for sides in [u64::MAX, 1 << 63, i64::MAX as u64] {
        let header = format!("{{{}}}", entry("a", "U8", &format!("[{sides}]"), 0, sides));
        let error = Layout::parse(header.as_bytes(), sides).unwrap_err();
        assert!(matches!(error, LayoutError::FileTooLong), "{error}");
    }
    let header = format!("{{{}}}", entry("a", "U8", "[1]", 1, 0));
    assert!(matches!(Layout::parse(header.as_bytes(), 1), Err(LayoutError::Span { .. })));
}

#[test]
fn each_tensor_is_checked_by_name() {
    let one = |name: &str, dtype: &str, shape: &str, end: u64| {
        refused(&format!("{{{}}}", entry(name, dtype, shape, 0, end)), 4).to_string()
    };
    let names = [
        "",
        ".",
        "..",
        "../x",
        "..\\u002fx",
        "/etc/passwd",
        "C:\\\\x",
        "a/b",
        "a\\/b",
        "a\\u0000",
        "\\u202e",
    ];
    for name in names.into_iter().chain(["a b", "é", "~", &"n".repeat(257)]) {
        assert!(one(name, "F32", "[1]", 4).contains("is refused"), "{name}");
    }
    for dtype in ["F4", "C64", "F8_E8M0", "F8_E4M3FNUZ", "f32", ""] {
        let error = one("w", dtype, "[1]", 4);
        assert!(error.contains(&format!("tensor w is of dtype '{dtype}'")), "{error}");
    }
    assert!(one("w", "F32", "[4294967296,4294967296]", 4).contains("shape of tensor w overflows"));
    assert!(one("w", "F32", "[4611686018427387904]", 4).contains("overflows"));
    assert!(one("w", "F32", "[2]", 4).contains("w needs 8 bytes"));
    assert!(one("w", "F32", "[1]", 8).contains("span 8"));
    assert!(one("w", "F32", "[0,18446744073709551615]", 4).contains("needs 0 bytes"));
    let backwards = refused(&format!("{{{}}}", entry("w", "F32", "[0]", 4, 0)), 4);
    assert!(matches!(backwards, LayoutError::Span { .. }));
}

#[test]
fn every_dtype_is_read_and_measured() {
    for dtype in Dtype::ALL {
        let size = dtype.size() as u64;
        let header = format!("{{{}}}", entry("w", dtype.name(), "[3]", 0, 3 * size));
        let layout = layout_of(&raw(&header, &vec![0; 3 * dtype.size()])).unwrap();
        assert_eq!((layout.tensors()[0].dtype, layout.tensors()[0].elements()), (dtype, 3));
        assert!(layout_of(&raw(&header, &vec![0; 3 * dtype.size() - 1])).is_err());
    }
}

#[test]
fn tensors_cover_the_data_once() {
    let two = |first: (u64, u64), second: (u64, u64), data| {
        let sides = |range: (u64, u64)| format!("[{}]", (range.1 - range.0) / 4);
        let a = entry("a", "F32", &sides(first), first.0, first.1);
        let b = entry("b", "F32", &sides(second), second.0, second.1);
        layout_of(&raw(&format!("{{{a},{b}}}"), &vec![0; data]))
    };
    assert!(two((4, 8), (0, 4), 8).is_ok());
    assert!(two((0, 0), (0, 4), 4).is_ok());
    assert!(matches!(
        two((0, 4), (8, 12), 12),
        Err(LayoutError::NotContiguous { expected: 4, .. })
    ));
    assert!(matches!(two((0, 8), (4, 8), 8), Err(LayoutError::NotContiguous { .. })));
    assert!(matches!(two((0, 4), (0, 4), 4), Err(LayoutError::NotContiguous { .. })));
    assert!(matches!(
        two((4, 8), (8, 12), 12),
        Err(LayoutError::NotContiguous { expected: 0, .. })
    ));
    assert!(matches!(two((0, 4), (4, 8), 9), Err(LayoutError::Length { tensors: 8, file: 9 })));
    assert!(matches!(two((0, 4), (4, 8), 7), Err(LayoutError::Length { tensors: 8, file: 7 })));
    assert!(matches!(
        layout_of(&raw("{}", &[0])),
        Err(LayoutError::Length { tensors: 0, file: 1 })
    ));
}

#[test]
fn one_name_twice_is_refused() {
    let same = format!("{{{},{}}}", entry("a", "F32", "[1]", 0, 4), entry("a", "F32", "[1]", 4, 8));
    assert!(matches!(refused(&same, 8), LayoutError::Twice(name) if name == "a"));
    let escaped = same.replacen("\"a\"", "\"\\u0061\"", 1);
    assert!(matches!(refused(&escaped, 8), LayoutError::Twice(_)));
    // Not side by side, and both empty: nothing but the name gives it away.
    let empty = ["a", "b", "a"].map(|name| entry(name, "F32", "[0]", 0, 0)).join(",");
    assert!(matches!(refused(&format!("{{{empty}}}"), 0), LayoutError::Twice(_)));
}

/// A good file, one of whose header bytes is replaced, or that is cut or drawn out.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let good = file(&[f32s("a", &[1.0, 2.0]), halves("b", Dtype::F16, &[1, 2, 3])]);
    let length = good.len();
    (proptest::collection::vec((0..length, any::<u8>()), 0..4), 0..length + 8).prop_map(
        move |(changes, cut)| {
            let mut bytes = good.clone();
            changes.into_iter().for_each(|(position, byte)| bytes[position] = byte);
            bytes.resize(cut, 0);
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), length: u64) {
        let _ = Layout::parse(&bytes, length);
    }

    /// Whatever passes here is what the format's own library reads, tensor by tensor.
    #[test]
    fn what_passes_is_read_alike_by_the_safetensors_crate(bytes in mutated()) {
        if let Ok(layout) = layout_of(&bytes) {
            let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            prop_assert_eq!(theirs.len(), layout.tensors().len());
            for tensor in layout.tensors() {
                let range = tensor.range.start as usize..tensor.range.end as usize;
                prop_assert_eq!(theirs.tensor(&tensor.name).unwrap().data(), &bytes[range]);
            }
        }
    }
}
