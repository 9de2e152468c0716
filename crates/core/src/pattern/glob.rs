//! Patterns of paths.

/// Compares a path with a glob, anchored at both ends, in at most the product of their lengths.
///
/// A table of "the rest of the pattern matches the rest of the text", one row at a time. `**/` also takes nothing, so
/// that `src/**/x.rs` covers `src/x.rs`. A wildcard never covers a path that climbs (`..`): where it leads is for the
/// one who resolved it to say.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    enum Part {
        Char(char),
        One,
        Within,
        Across,
        Folders,
    }
    let mut parts = Vec::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        parts.push(match c {
            '?' => Part::One,
            '*' if chars.next_if_eq(&'*').is_some() => {
                while chars.next_if_eq(&'*').is_some() {}
                let at_start = matches!(parts.last(), None | Some(Part::Char('/') | Part::Folders));
                if at_start && chars.next_if_eq(&'/').is_some() { Part::Folders } else { Part::Across }
            }
            '*' => Part::Within,
            '\\' => Part::Char(chars.next().unwrap_or('\\')),
            plain => Part::Char(plain),
        });
    }
    let wild = parts.iter().any(|part| !matches!(part, Part::Char(_)));
    if wild && text.split('/').any(|folder| folder == "..") {
        return false;
    }
    let text: Vec<char> = text.chars().collect();
    // behind[i]: the parts after the current one match text[i..].
    let mut behind = vec![false; text.len() + 1];
    behind[text.len()] = true;
    for part in parts.iter().rev() {
        let mut here = vec![false; text.len() + 1];
        for at in (0..=text.len()).rev() {
            let next = text.get(at);
            let rest = next.is_some() && behind[at + 1];
            let stay = next.is_some() && here[at + 1];
            here[at] = match part {
                Part::Char(wanted) => rest && next == Some(wanted),
                Part::One => rest && next != Some(&'/'),
                Part::Within => behind[at] || (stay && next != Some(&'/')),
                Part::Across => behind[at] || stay,
                // Whole folders: the rest starts here, or right behind some later slash.
                Part::Folders => {
                    let starts = at == 0 || text[at - 1] == '/';
                    starts && (behind[at] || folder_after(&text, &here, at))
                }
            };
        }
        behind = here;
    }
    behind[0]
}

/// The value of the row at the start of the next folder.
fn folder_after(text: &[char], row: &[bool], at: usize) -> bool {
    text[at..].iter().position(|&c| c == '/').is_some_and(|slash| row[at + slash + 1])
}
