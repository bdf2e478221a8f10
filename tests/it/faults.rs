//! `docs/faults.md` names tests that are there.

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_list_of_faults_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let page = fs::read_to_string(root.join("docs/faults.md")).unwrap();
    let (mut named, mut rows) = (0, 0);
    for row in page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`")) {
        rows += 1;
        let mut file = None;
        // Every second piece stands between backticks: a file, or tests in it.
        for code in row.split('`').skip(1).step_by(2) {
            if code.ends_with(".rs") {
                let text = fs::read_to_string(root.join(code));
                file = Some((code, text.unwrap_or_else(|_| panic!("there is no {code}"))));
            } else if let Some((path, text)) = &file {
                assert!(text.contains(&format!("fn {code}(")), "no test {code} in {path}");
                named += 1;
            }
        }
    }
    assert_eq!(rows, 26);
    assert!(named > 2 * rows, "{named}");
}
