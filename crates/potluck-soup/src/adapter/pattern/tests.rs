use super::*;

fn fits(pattern: &str, module: &str) -> bool {
    Pattern::parse(pattern).unwrap().fits(module)
}

const Q0: &str = "model.layers.0.self_attn.q_proj";
const Q10: &str = "model.layers.10.self_attn.q_proj";

#[test]
fn a_name_means_the_modules_that_end_in_it() {
    // Each answer is Python's re.match(rf"(.*\.)?({key})$", name), PEFT's own question.
    let asked = [
        ("q_proj", Q0, true),
        ("proj", Q0, false),
        ("self_attn.q_proj", Q0, true),
        ("0.self_attn.q_proj", Q0, true),
        ("0.self_attn.q_proj", Q10, false),
        ("^model.layers.0.self_attn.q_proj", Q0, true),
        ("^layers.0.self_attn.q_proj", Q0, false),
        ("layersX0.self_attn.q_proj", Q0, false),
        ("layers.0.self_attn.q.proj", Q0, true),
        (r"layers\.0\.self_attn\.q_proj$", Q0, true),
        (r"layers\.0\.self_attn\.q\.proj", Q0, false),
        ("k_proj", Q0, false),
        ("an.model.layers.0.self_attn.q_proj", Q0, false),
    ];
    for (pattern, module, answer) in asked {
        assert!(!Pattern::parse(pattern).unwrap().is_expression(), "{pattern}");
        assert_eq!(fits(pattern, module), answer, "{pattern} {module}");
    }
}

#[test]
fn an_expression_is_followed_as_python_follows_it() {
    let asked = [
        (".*q_proj", Q0, true),
        (".*", Q0, true),
        (r"layers\.\d+\.self_attn\.(q|k)_proj", Q10, true),
        (r"layers\.\d\.self_attn\.(?:q|k)_proj", Q10, false),
        ("layers.[0-4].*", Q0, true),
        ("layers.[^0-4].*", Q0, false),
        ("q_proj|k_proj", Q0, true),
        ("model|q_proj", Q0, true),
        (r"layers\.\d{2}\.self_attn\..*?", Q10, true),
        (r"layers\.\d{2,}\..*", Q0, false),
        (".*attn", Q0, false),
        ("(^model).*", Q0, true),
        ("(^layers).*", Q0, false),
    ];
    for (pattern, module, answer) in asked {
        assert!(Pattern::parse(pattern).unwrap().is_expression(), "{pattern}");
        assert_eq!(fits(pattern, module), answer, "{pattern} {module}");
    }
}

#[test]
fn what_the_two_languages_read_differently_is_refused() {
    for text in [
        "a*+",
        "a++",
        "a**",
        "(?i)a",
        "(?=a)",
        "(?P<n>a)",
        r"(a)\1",
        r"\bq",
        r"\Aq",
        "[[:alpha:]]",
        "[a&&b]",
        "[a--b]",
        "[]a]",
        "[]",
        "a{,3}",
        "a{x}",
        "*a",
        "|*",
        "é",
        "a b",
        "a\n",
        r"a\",
        "(?#x)a",
        r"[\w]",
    ] {
        assert!(matches!(Pattern::parse(text), Err(PatternError::Language(_))), "{text}");
    }
    for text in ["(a", "a)", "[z-a]", "((((((((((a{99}){99}){99}){99})))))))"] {
        assert!(matches!(Pattern::parse(text), Err(PatternError::Expression(_))), "{text}");
    }
    assert_eq!(Pattern::parse("").unwrap_err(), PatternError::Length(0));
    assert_eq!(Pattern::parse(&"a".repeat(513)).unwrap_err(), PatternError::Length(513));
}

#[test]
fn exactly_means_one_module() {
    let pattern = Pattern::exactly(Q0);
    assert_eq!(pattern.as_str(), r"^model\.layers\.0\.self_attn\.q_proj");
    assert_eq!(Pattern::parse(pattern.as_str()).unwrap(), pattern);
    for pattern in [&pattern, &Pattern::parse(pattern.as_str()).unwrap()] {
        assert!(pattern.fits(Q0));
        assert!(!pattern.fits(Q10) && !pattern.fits(&format!("x.{Q0}")) && !pattern.fits("q_proj"));
    }
}
