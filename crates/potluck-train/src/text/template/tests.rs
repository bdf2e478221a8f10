use super::*;

fn render(source: &str, json: &str) -> Result<Rendered, TemplateError> {
    let date = "2026-11-29".parse().unwrap();
    let template = ChatTemplate::new(source, &Specials::default(), Some(date))?;
    template.render(&Conversation::parse(json).unwrap(), None, Opening::Answer)
}

const HELLO: &str = r#"[{"role":"user","content":"Hi","z":[true,null,1.5,1e22,0.00001,"it's"],"a":{"k":"<b> é\n"}}]"#;

#[test]
fn values_are_printed_as_python_prints_them() {
    let printed = |source| render(source, HELLO).unwrap().text;
    assert_eq!(printed("{{ messages[0].z }}"), r#"[True, None, 1.5, 1e+22, 1e-05, "it's"]"#);
    assert_eq!(printed("{{ messages[0].a }}|{{ none }}|{{ nothing }}"), "{'k': '<b> é\\n'}|None|");
    assert_eq!(printed("{{ messages[0].a | tojson }}"), "{\"k\": \"<b> é\\n\"}");
    assert_eq!(printed("{{ messages[0].a | tojson(indent=2) }}"), "{\n  \"k\": \"<b> é\\n\"\n}");
    assert_eq!(
        printed("{{ messages[0].z | tojson }}"),
        r#"[true, null, 1.5, 1e+22, 1e-05, "it's"]"#
    );
    assert_eq!(
        printed(
            "{{ messages[0] | tojson(separators=[',', ':'], ensure_ascii=true, sort_keys=true) }}"
        ),
        r#"{"a":{"k":"<b> \u00e9\n"},"content":"Hi","role":"user","z":[true,null,1.5,1e+22,1e-05,"it's"]}"#
    );
    assert_eq!(printed("{{ strftime_now('%d %b %Y') }}"), "29 Nov 2026");
}

#[test]
fn keys_keep_the_order_of_the_file() {
    let keys = "{% for key in messages[0] %}{{ key }} {% endfor %}";
    assert_eq!(render(keys, HELLO).unwrap().text, "role content z a ");
}

#[test]
fn what_the_assistant_says_is_marked() {
    let source = "{# {% generation %} #}A\n  {%- generation -%}\n  {{ messages[0].content }}!  {% endgeneration %}\nB";
    let rendered = render(source, HELLO).unwrap();
    assert_eq!(rendered.text, "AHi!  B");
    assert_eq!(rendered.spans, [(1, 6)]);
    let stray = HELLO.replace("Hi", "\u{FDD1}");
    assert!(render(source, &stray).is_err());
}

#[test]
fn a_template_saved_with_other_line_ends_says_the_same() {
    let source = "{% if true %}\r\nA\r\n{% endif %}{{ 'B\r\n' }}C\rD\r\n";
    assert_eq!(render(source, HELLO).unwrap().text, "A\nB\nC\nD");
    let chat = HELLO.replace("Hi", "a\\r\\nb");
    assert_eq!(render("{{ messages[0].content }}", &chat).unwrap().text, "a\r\nb");
}

#[test]
fn refusals_come_in_the_templates_words() {
    let error = render("a\n{{ raise_exception('only users') }}", HELLO).unwrap_err().to_string();
    assert!(error.contains("only users") && error.contains(":2"), "{error}");
    assert!(render("{% for %}", HELLO).unwrap_err().to_string().contains("template fails"));
    let undated =
        ChatTemplate::new("{{ strftime_now('%d') }}", &Specials::default(), None).unwrap();
    let error = undated.render(&Conversation::of_user("a"), None, Opening::None).unwrap_err();
    assert!(error.to_string().contains("today's date"), "{error}");
}

#[test]
fn a_template_cannot_run_for_ever_or_without_end_of_depth() {
    let long =
        "{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}";
    assert!(render(long, HELLO).is_err());
    let deep = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
    assert!(render(deep, HELLO).is_err());
}
