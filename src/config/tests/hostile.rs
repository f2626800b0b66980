//! Texts that are meant to hurt: no panic, no minutes, no gigabytes.

use super::*;

/// A text with which something is wrong.
fn bad(text: &str) -> String {
    let told = problems(text).join("\n");
    assert!(!told.is_empty() && told.len() < 10_000, "{} bytes told", told.len());
    assert!(daemon_only(Path::new("tm.yaml"), text, &surroundings()).listen.port() == 4242);
    told
}

#[test]
fn a_billion_laughs() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let below = format!("*a{},", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{below}]\n");
    }
    assert!(bad(&text).contains("too large once its aliases are written out"));
}

#[test]
fn an_alias_within_its_own_anchor() {
    for text in ["a: &a [*a]", "a: &a [*a, *a]", "a: &a {<<: *a}", "&a {*a : *a}"] {
        bad(text);
    }
}

#[test]
fn long_texts_repeated_by_aliases() {
    let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), "*a,".repeat(10_000));
    assert!(bad(&text).contains("too large once its aliases are written out"));
}

#[test]
fn deep_nesting() {
    for open in ["[", "{a: ", "- ", "{? "] {
        bad(&open.repeat(100_000));
    }
    // Closed again in the same line, which took minutes.
    assert!(bad(&format!("a: {}{}", "[".repeat(50_000), "]".repeat(50_000))).contains("2000"));
    assert!(bad(&format!("a: {}{}", "[".repeat(500), "]".repeat(500))).contains("deeper than 128"));
}

#[test]
fn garbage() {
    const LETTERS: &[u8] = b":-{}[]&*!|>'\"%@`#, \n\ta1<?\0\x1b";
    let mut state = 1_u32;
    for _ in 0..300 {
        let letters = (0..200).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            LETTERS[(state >> 16) as usize % LETTERS.len()] as char
        });
        let text: String = letters.collect();
        let _ = problems(&text);
        let _ = daemon_only(Path::new("tm.yaml"), &text, &surroundings());
    }
}

#[test]
fn huge_scalars() {
    let huge = "9".repeat(200_000);
    for key in PROGRAM_KEYS {
        let told = problems(&with_keys(&format!("{}: {huge}", key.name))).join("\n");
        assert!(told.len() < 1000, "{}: {} bytes told", key.name, told.len());
    }
    assert!(bad(&format!("{huge}: 1")).len() < 1000);
    assert!(bad(&with_keys(&format!("cmd: run, {huge}: 1"))).len() < 1000);
    assert!(bad(&format!("programs: {{{huge}: {{cmd: x}}}}")).len() < 1000);
}

#[test]
fn defaults_that_would_fill_the_memory() {
    let names: String = (0..5_000).map(|n| format!("  p{n}: {{}}\n")).collect();
    let value = "x".repeat(100_000);
    let told = bad(&format!("defaults: {{cmd: run, env: {{A: {value}}}}}\nprograms:\n{names}"));
    assert!(told.contains("more than 256 MiB"), "{told}");
    let codes = "1,".repeat(100_000);
    let told = bad(&format!("defaults: {{cmd: run, exitcodes: [{codes}]}}\nprograms:\n{names}"));
    assert!(told.contains("more than 256 MiB"), "{told}");
}

#[test]
fn ten_thousand_problems() {
    let programs: String = (0..10_000).map(|n| format!("  p{n}: {{nice: 99}}\n")).collect();
    assert!(bad(&format!("programs:\n{programs}")).ends_with("and 19980 more problems"));
}

/// For each of them all programs were searched for a near miss, which took minutes.
#[test]
fn thousands_of_names_that_nothing_has() {
    let programs: String =
        (0..3_000).map(|n| format!("  p{n}: {{cmd: x, depends_on: P{n}_}}\n")).collect();
    let told = bad(&format!("programs:\n{programs}"));
    assert_eq!(told.matches("did you mean").count(), 20, "{told}");
    assert!(told.contains("no program is called P19_; did you mean `p19`?"), "{told}");
    assert!(told.ends_with("and 2980 more problems"), "{told}");
    let programs: String = (0..3_000).map(|n| format!("  p{n}: {{cmd: x}}\n")).collect();
    let told = bad(&format!("defaults: {{depends_on: P7_}}\nprograms:\n{programs}"));
    let why = "defaults.depends_on: no program is called P7_; did you mean `p7`?";
    assert_eq!(told, format!("tm.yaml:1:24: {why}"));
}
