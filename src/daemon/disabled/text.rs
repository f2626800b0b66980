//! Who is disabled, as a text. Pure.

use crate::supervisor::Disabled;

/// One `program:number` a line.
pub(in crate::daemon) fn to_text(disabled: &Disabled) -> String {
    disabled.iter().map(|(program, index)| format!("{program}:{index}\n")).collect()
}

/// Those that a text names, and how many lines name none.
pub(in crate::daemon) fn read(text: &str) -> (Disabled, usize) {
    let parse = |line: &str| {
        let (program, index) = line.rsplit_once(':')?;
        Some((program.into(), index.parse().ok()?))
    };
    let lines = text.lines().filter(|line| !line.is_empty());
    let read: Vec<_> = lines.map(parse).collect();
    let bad = read.iter().filter(|one| one.is_none()).count();
    (read.into_iter().flatten().collect(), bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_as_it_was_written_and_a_damaged_line_costs_no_other() {
        let disabled: Disabled = [("web".into(), 0), ("a.b@c".into(), 12)].into();
        let text = to_text(&disabled);
        assert_eq!(text, "a.b@c:12\nweb:0\n");
        assert_eq!(read(&text), (disabled, 0));
        assert_eq!(read("web:0\nweb\nx:y\n").1, 2);
    }
}
