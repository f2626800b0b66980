//! Single values: text in, a number, time, size or word out.
//!
//! Each error says what would be right and what was written instead, to follow the
//! name of the key: `must be 1 to 10000, not 0`.

use super::{Expected, Limit, Signal};
use std::fmt::Display;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// Longer times are refused, so that no sum of a few leaves the range of the clock.
pub(super) const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// What was written, for an error: short enough for a line, and to be seen when empty.
pub(super) fn shown(text: &str) -> String {
    const ENOUGH: usize = 60;
    if text.is_empty() {
        return "''".to_owned();
    }
    match text.char_indices().nth(ENOUGH) {
        Some((cut, _)) => format!("{}...", text.get(..cut).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn must_be<T>(what: impl Display, text: &str) -> Result<T, String> {
    Err(format!("must be {what}, not {}", shown(text)))
}

/// Reads a duration: seconds, fractions allowed, or a number with `ms`, `s`, `m` or `h`.
///
/// The error says what is right. Longer than ten years is none.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let seconds = match unit {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return must_be("a duration such as 1.5, 500ms, 2s, 5m or 1h", text),
    };
    match number.parse::<f64>() {
        Ok(count) => Duration::try_from_secs_f64(count * seconds)
            .ok()
            .filter(|time| *time <= LONGEST)
            .map_or_else(|| must_be("10 years at most", text), Ok),
        Err(_) => must_be("a duration such as 1.5, 500ms, 2s, 5m or 1h", text),
    }
}

/// Reads a size: bytes, or a number with `KB`, `MB` or `GB`, powers of 1024.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split_unit(text);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "kb" => 10,
        "mb" => 20,
        "gb" => 30,
        _ => return must_be("a size such as 4096, 10KB, 10MB or 1GB", text),
    };
    if number.is_empty() || number.contains('.') {
        return must_be("a size such as 4096, 10KB, 10MB or 1GB", text);
    }
    let bytes = number.parse::<u64>().ok().and_then(|count| count.checked_mul(1 << shift));
    bytes.map_or_else(|| must_be("less than 2^64 bytes", text), Ok)
}

/// The digits in front, and what follows them.
fn split_unit(text: &str) -> (&str, &str) {
    let digits = |letter: char| letter.is_ascii_digit() || letter == '.';
    let end = text.find(|letter| !digits(letter)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Ok(true),
        "false" | "no" | "off" => Ok(false),
        _ => must_be("true or false", text),
    }
}

/// A whole number within bounds.
pub(super) fn integer<T>(text: &str, least: T, most: T) -> Result<T, String>
where
    T: FromStr + PartialOrd + Display,
{
    match text.parse::<T>() {
        Ok(number) if least <= number && number <= most => Ok(number),
        _ => must_be(format_args!("{least} to {most}"), text),
    }
}

/// A number that need not be whole, at least `least`.
pub(super) fn fraction(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && least <= number && number <= most => Ok(number),
        _ if most == f64::MAX => must_be(format_args!("a number of {least} or more"), text),
        _ => must_be(format_args!("a number from {least} to {most}"), text),
    }
}

/// An address with its port; `localhost` is one. The error about a name goes on with what to
/// write instead.
pub(super) fn address(text: &str, example: &str, instead: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let parts = text.rsplit_once(':');
    match parts.map(|(host, port)| (host, port, port_number(port))) {
        Some(("localhost", _, Some(port))) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Some((host, _, Some(port))) if host.parse::<Ipv6Addr>().is_ok() => {
            Err(format!("an IPv6 address stands in brackets: [{host}]:{port}"))
        }
        Some((host, _, Some(_)))
            if host.contains(char::is_alphabetic) && !host.contains([':', '[']) =>
        {
            let host = shown(host);
            Err(format!("the daemon resolves no names: write the address of {host}{instead}"))
        }
        Some((host, port, None)) if !port.is_empty() && is_host(host) => {
            Err(format!("the port must be 0 to 65535, in digits, not {}", shown(port)))
        }
        _ => must_be(format_args!("ADDRESS:PORT, such as {example}"), text),
    }
}

fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    // What is parsed may have a plus before it.
    text.parse().ok().filter(|_| digits)
}

/// Whether this is what stands before a port.
fn is_host(text: &str) -> bool {
    let bracketed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    text == "localhost"
        || text.parse::<Ipv4Addr>().is_ok()
        || bracketed.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// A file mode creation mask, octal with or without a leading `0` or `0o`.
pub(super) fn umask(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let octal = !digits.is_empty() && digits.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    match u32::from_str_radix(digits, 8) {
        Ok(mask) if octal && mask <= 0o777 => Ok(mask),
        _ => must_be("an octal mask such as 022, 0 to 777", text),
    }
}

pub(super) fn startretries(text: &str) -> Result<Option<u32>, String> {
    match text {
        _ if text.eq_ignore_ascii_case("unlimited") => Ok(None),
        _ => match text.parse() {
            Ok(count) => Ok(Some(count)),
            Err(_) => must_be("a count, or unlimited", text),
        },
    }
}

/// An entry of `exitcodes`. Numbers are codes; a signal goes by its name.
pub(super) fn expected(text: &str) -> Result<Expected, String> {
    match text.parse() {
        Ok(code) => Ok(Expected::Code(code)),
        Err(_) if text.starts_with(|c: char| !c.is_alphabetic()) || text.contains([',', ' ']) => {
            must_be("a code 0 to 255, a signal's name, or a list of them", text)
        }
        Err(_) => Signal::parse(text).map(Expected::Signal),
    }
}

/// The names of setrlimit(2) after RLIMIT_, as `limits` takes them.
pub(super) const LIMITS: &[&str] = &[
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// One side of a limit: a number, a size, or none.
pub(super) fn bound(text: &str) -> Result<Option<u64>, String> {
    if text.eq_ignore_ascii_case("unlimited") {
        return Ok(None);
    }
    match size(text) {
        Ok(bound) => Ok(Some(bound)),
        Err(_) => must_be("a number, a size such as 1GB, unlimited, or [soft, hard]", text),
    }
}

/// A limit of two sides; the soft one is not above the hard one.
pub(super) fn limit(soft: Option<u64>, hard: Option<u64>) -> Result<Limit, String> {
    let above = match (soft, hard) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(soft), Some(hard)) => soft > hard,
    };
    if above {
        return Err("the soft limit, the first, must not be above the hard one".to_owned());
    }
    Ok(Limit { soft, hard })
}

/// What is wrong with a path that is not expanded.
pub(super) fn path_as_written(text: &str) -> Result<(), String> {
    match text {
        _ if text.contains("${") => {
            Err("is taken as written, ${...} too: write the path itself".to_owned())
        }
        _ if text.starts_with("~/") => {
            Err("is taken as written, `~` too: write the absolute path".to_owned())
        }
        _ => Ok(()),
    }
}

/// What is wrong with a path that has been expanded, given how it begins.
pub(super) fn path_as_expanded(beginning: &str) -> Result<(), String> {
    match beginning.strip_prefix("~/") {
        Some(_) => Err("is taken as written, `~` too: write ${HOME}/... instead".to_owned()),
        None => Ok(()),
    }
}

/// What is wrong with the name of a program.
pub(super) fn program_name(name: &str) -> Result<(), String> {
    let fits = |letter: char| letter.is_alphanumeric() || "_-.@".contains(letter);
    if name == "all" {
        return Err("`all` means every program: choose another name".to_owned());
    }
    if !(1..=64).contains(&name.len()) {
        return Err(format!("a program's name has 1 to 64 bytes, not {}", name.len()));
    }
    if name.starts_with(['-', '.']) {
        return Err("a program's name does not begin with `-` or `.`".to_owned());
    }
    match name.chars().find(|letter| !fits(*letter)) {
        Some(letter) => Err(format!(
            "a program's name has letters, digits, `_`, `-`, `.` and `@`, no `{letter}`"
        )),
        None => Ok(()),
    }
}

/// What is wrong with the name of an environment variable.
pub(super) fn variable_name(name: &str) -> Result<(), String> {
    match name {
        "" => Err("a variable's name must not be empty".to_owned()),
        _ if name.contains('=') => Err("a variable's name must not hold `=`".to_owned()),
        _ if name.contains('\0') => Err("a variable's name must not hold a NUL byte".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_or_say_their_unit() {
        for (text, millis) in [
            ("5", 5000),
            ("0", 0),
            ("0.1", 100),
            ("1.5s", 1500),
            ("500ms", 500),
            ("5m", 300_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "-1", "s", "5 s", "1d", "1e3", "NaN", "inf", ".", "5S", "1.2.3"] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.starts_with("must be a duration such as"), "{text}: {error}");
        }
        for text in ["100000h", "99999999999999999999", &"9".repeat(10_000)] {
            let error = parse_duration(text).unwrap_err();
            assert!(error.starts_with("must be 10 years at most, not "), "{error}");
            assert!(error.len() < 120, "{error}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in
            [("0", 0), ("10", 10), ("1KB", 1024), ("2mb", 2 << 20), ("1Gb", 1 << 30)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "KB", "1TB", "-1", "1.5MB", "1 MB", "ten"] {
            assert!(size(text).unwrap_err().starts_with("must be a size such as"), "{text}");
        }
        for text in ["18446744073709551616", "17179869184GB"] {
            assert!(size(text).unwrap_err().starts_with("must be less than 2^64 bytes"), "{text}");
        }
    }

    #[test]
    fn truth_has_six_words_in_any_case() {
        for text in ["true", "Yes", "ON"] {
            assert_eq!(boolean(text), Ok(true));
        }
        for text in ["FALSE", "no", "oFf"] {
            assert_eq!(boolean(text), Ok(false));
        }
        assert_eq!(boolean("1").unwrap_err(), "must be true or false, not 1");
    }

    #[test]
    fn umasks_are_octal_however_written() {
        for text in ["022", "0o22", "22"] {
            assert_eq!(umask(text), Ok(0o22));
        }
        assert_eq!(umask("777"), Ok(0o777));
        assert_eq!(umask("0"), Ok(0));
        for text in ["", "0o", "888", "1000", "-1", "+22", "0x12", "u=rwx", &"0".repeat(9)] {
            if !text.starts_with("000") {
                assert!(umask(text).is_err(), "{text}");
            }
        }
    }

    #[test]
    fn names_of_programs_are_letters_of_any_script() {
        for name in ["a", "web-1", "a.b@c_d", "日本", "été", "42", &"x".repeat(64)] {
            assert_eq!(program_name(name), Ok(()), "{name}");
        }
        for name in
            ["", "all", "-a", ".a", "a b", "a:b", "a/b", "a*", "\u{1b}[31m", "<<", &"x".repeat(65)]
        {
            assert!(program_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn limits_have_a_soft_side_below_the_hard_one() {
        assert_eq!(bound("1KB"), Ok(Some(1024)));
        assert_eq!(bound("Unlimited"), Ok(None));
        assert!(bound("-1").is_err());
        assert!(limit(Some(1), Some(2)).is_ok() && limit(Some(1), None).is_ok());
        assert!(limit(Some(2), Some(1)).is_err() && limit(None, Some(1)).is_err());
    }
}
