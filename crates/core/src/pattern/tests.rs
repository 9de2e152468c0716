//! What patterns cover, and what they never do.

use proptest::prelude::*;

use super::*;
use crate::shell::Stage;
use crate::shell::tests::tricky;

fn command(text: &str) -> Pattern {
    Pattern::new(Matcher::ShellCommand, text)
}

fn commands(texts: &[&str]) -> Vec<Pattern> {
    texts.iter().map(|text| command(text)).collect()
}

#[test]
fn a_command_is_allowed_when_every_stage_is_covered() {
    let table: &[(&[&str], &str, bool)] = &[
        (&["git status"], "git status", true),
        (&["git status"], "git status -s", false),
        (&["git status"], "git statusx", false),
        (&["git status"], "Git status", false),
        (&["git *"], "git status", true),
        (&["git *"], "git", true),
        (&["git *"], "github x", false),
        (&["git *"], "./git x", false),
        (&["git *"], "'git' \"status\"", true),
        (&["git *"], "git status; rm -rf x", false),
        (&["git *"], "git status\nrm -rf x", false),
        (&["git *"], "git status & rm -rf x", false),
        (&["git *"], "git log | sh", false),
        (&["git *"], "git log $(rm x)", false),
        (&["git *"], "git log `rm x`", false),
        (&["git *"], "git log <(rm x)", false),
        (&["git *"], "PATH=/evil git status", false),
        (&["git *"], "A=b git status", true),
        (&["git *"], "A=b; git status $A", true),
        (&["git *"], "A=b", false),
        (&["git *"], "", false),
        (&["git *"], "# git status", false),
        (&["git *"], "git log > f", false),
        (&["git *"], "{ git log; } > f", false),
        (&["git *"], "git log > /dev/null 2>&1", true),
        (&["git *"], "git log > /dev/tcp/h/1", false),
        (&["git *"], "git log < /dev/tcp/h/1", false),
        (&["git *"], "f() { rm x; }; git status", false),
        (&["git *"], "git() { rm x; }; git status", false),
        (&["git *"], "if git diff; then git add .; fi", true),
        (&["git *"], "if git diff; then rm x; fi", false),
        (&["git *"], "git diff || exit 1; true", true),
        (&["git *", "head *"], "git log | head -3", true),
        (&["npm test:*"], "npm test", true),
        (&["npm test:*"], "npm test -- x", true),
        (&["npm test:*"], "npm test:unit", true),
        (&["npm test:*"], "npm tests", false),
        (&["npm test:*"], "npm test && rm x", false),
        (&["npm run *"], "npm run build", true),
        (&["npm * --silent"], "npm run a b --silent", true),
        (&["npm * --silent"], "npm run --silent x", false),
        (&["cat src/*"], "cat src/a/b.rs", true),
        (&["cat src/*"], "cat src/../../secret", false),
        (&["cat src/*"], "cat src/$X", false),
        (&["cat *"], "cat src/$X", true),
        (&["cat src/*.rs"], "cat src/*.rs", true),
        (&["echo $HOME"], "echo $HOME", true),
        (&["echo '*'"], "echo '*'", true),
        (&["echo '*'"], "echo x", false),
        (&["echo \"a b\""], "echo 'a b'", true),
        (&["echo \"a b\""], "echo a b", false),
        (&["rm *"], "sudo rm x", false),
        (&["sudo *"], "sudo rm x", false),
        (&["sudo *", "rm *"], "sudo rm x", true),
        (&["rm *"], "timeout 5 env rm x", true),
        (&["timeout *"], "timeout 5 rm x", false),
        (&["rm *"], "sh -c 'rm x; rm y'", true),
        (&["rm *"], "sh -c 'rm x; ls'", false),
        (&["sh *"], "sh -c 'rm x'", false),
        (&["find *"], "find . -exec rm {} \\;", false),
        (&["find *", "rm *"], "find . -exec rm {} \\;", true),
        (&["rm x"], "echo y | xargs rm x", false),
        (&["curl *", "sh *", "sh"], "curl x | sh", false),
        (&["cat *"], "cat <<EOF\nx\nEOF", true),
        (&["cat *"], "cat <<'EOF'\n$(rm x)\nEOF", true),
        (&["cat *"], "cat <<EOF\n$(rm x)\nEOF", false),
        (&["cat *"], "cat <<EOF\nx\nEOF\nrm y", false),
        (&["A=b make"], "A=b make", true),
        (&["A=b make"], "A=c make", false),
        (&["*"], "rm -rf / $(anything", true),
        (&["* --version"], "rustc --version", true),
        (&[""], "ls", false),
        (&[""], "", false),
        (&[], "ls", false),
    ];
    for (patterns, text, expected) in table {
        assert_eq!(allows(&commands(patterns), text), *expected, "{patterns:?} {text}");
    }
}

#[test]
fn a_command_is_denied_when_any_visible_stage_matches() {
    let table: &[(&[&str], &str, bool)] = &[
        (&["rm *"], "rm x", true),
        (&["rm *"], "ls && rm x", true),
        (&["rm *"], "/bin/rm x", true),
        (&["rm *"], "r\\m x", true),
        (&["rm *"], "sudo env timeout 5 rm x", true),
        (&["rm *"], "find . -exec rm {} +", true),
        (&["rm *"], "sh -c 'ls; rm x'", true),
        (&["rm *"], "echo $(rm x)", true),
        (&["rm *"], "PATH=/x rm x", true),
        (&["rm *"], "rm x > f", true),
        (&["rm *"], "rm 'unclosed", true),
        (&["rm *"], "if a; then rm x; fi", true),
        (&["rm *"], "echo rm", false),
        (&["rm *"], "cat <<EOF\nrm x\nEOF", false),
        (&["sudo *"], "sudo ls", true),
        (&["timeout *"], "timeout 5 ls", true),
        (&["git push:*"], "git push origin", true),
        (&["git push:*"], "git pull", false),
        (&["*"], "ls", true),
    ];
    for (patterns, text, expected) in table {
        assert_eq!(denies(&commands(patterns), text), *expected, "{patterns:?} {text}");
    }
}

#[test]
fn a_denial_wins_and_a_possible_one_asks() {
    let (allowed, denied) = (commands(&["git *", "ls"]), commands(&["git push *"]));
    let judged = |text: &str| judge(&allowed, &denied, text);
    assert_eq!(judged("git status"), Verdict::Allowed);
    assert_eq!(judged("ls; git push origin"), Verdict::Denied);
    assert_eq!(judged("X=push; git $X origin"), Verdict::Ask);
    assert_eq!(judged("git {push,--force}"), Verdict::Ask);
    assert_eq!(judged("git log $X"), Verdict::Allowed);
    assert_eq!(judged("make"), Verdict::Ask);
    assert_eq!(judge(&commands(&["*"]), &denied, "echo $(cat x)"), Verdict::Ask);
    assert_eq!(judge(&commands(&["*"]), &commands(&["*"]), "ls"), Verdict::Denied);
}

#[test]
fn other_matchers_compare_stages_and_never_the_whole_line() {
    let prefix = [Pattern::new(Matcher::Prefix, "git ")];
    assert!(allows(&prefix, "git status"));
    assert!(!allows(&prefix, "git status; rm x"));
    assert!(!allows(&prefix, "git $(rm x)"));
    let exact = [Pattern::new(Matcher::Exact, "git status")];
    assert!(allows(&exact, "git status"));
    assert!(!allows(&exact, "git status -s"));
    assert!(denies(&[Pattern::new(Matcher::Exact, "ls $(x)")], "ls $(x)"));
    assert!(denies(&prefix, "ls; git status"));
}

#[test]
fn texts_match_by_their_matcher() {
    let table = [
        (Matcher::Exact, "/a/b", "/a/b", true),
        (Matcher::Exact, "/a/b", "/a/B", false),
        (Matcher::Prefix, "/a/", "/a/b", true),
        (Matcher::Prefix, "/a/", "/b/a/", false),
        (Matcher::Prefix, "", "/a", false),
        (Matcher::Glob, "*.rs", "a.rs", true),
        (Matcher::Glob, "*.rs", "a/b.rs", false),
        (Matcher::Glob, "*.rs", "a.rsx", false),
        (Matcher::Glob, "a.rs", "xa.rs", false),
        (Matcher::Glob, "src/**", "src/a/b", true),
        (Matcher::Glob, "src/**", "src", false),
        (Matcher::Glob, "src/**", "src/../x", false),
        (Matcher::Glob, "src/../x", "src/../x", true),
        (Matcher::Glob, "src/**/x.rs", "src/x.rs", true),
        (Matcher::Glob, "src/**/x.rs", "src/a/b/x.rs", true),
        (Matcher::Glob, "src/**/x.rs", "src/ax.rs", false),
        (Matcher::Glob, "**/x", "x", true),
        (Matcher::Glob, "**", "a/b", true),
        (Matcher::Glob, "a**b", "a/x/b", true),
        (Matcher::Glob, "a?c", "abc", true),
        (Matcher::Glob, "a?c", "a/c", false),
        (Matcher::Glob, "a?c", "aéc", true),
        (Matcher::Glob, r"a\*", "a*", true),
        (Matcher::Glob, r"a\*", "ab", false),
        (Matcher::Glob, "a*b*c", "a1b2b3c", true),
        (Matcher::Glob, "", "", true),
        (Matcher::Glob, "", "a", false),
        (Matcher::ShellCommand, "git *", "git log", true),
        (Matcher::ShellCommand, "git *", "git log; ls", false),
    ];
    for (matcher, text, target, expected) in table {
        assert_eq!(Pattern::new(matcher, text).matches(target), expected, "{matcher:?} {text} {target}");
    }
}

#[test]
fn wildcards_do_not_blow_up() {
    // Were they to blow up, this would not come to an end.
    let text = "a".repeat(60_000);
    let stars = "*a".repeat(500) + "b";
    assert!(!command(&format!("x {stars}")).matches(&format!("x {text}")));
    assert!(!Pattern::new(Matcher::Glob, "**a*".repeat(250) + "b").matches(&text));
    assert!(!command(&("a * ".repeat(250) + "b")).matches(&"a ".repeat(8_000)));
    let long = "*".repeat(MAX_PATTERN + 1) + "x";
    assert!(!allows(&[command(&long)], "x") && denies(&[command(&long)], "ls"));
}

#[test]
fn patterns_travel_as_json() {
    let text = r#"{"matcher":"shell-command","text":"git *"}"#;
    assert_eq!(serde_json::from_str::<Pattern>(text).unwrap(), command("git *"));
    assert_eq!(serde_json::to_string(&command("git *")).unwrap(), text);
}

fn any_pattern() -> impl Strategy<Value = Pattern> {
    let matcher =
        prop_oneof![Just(Matcher::Exact), Just(Matcher::Prefix), Just(Matcher::Glob), Just(Matcher::ShellCommand)];
    (matcher, prop_oneof![tricky(), any::<String>()]).prop_map(|(matcher, text)| Pattern { matcher, text })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_pattern_panics(pattern in any_pattern(), text in prop_oneof![tricky(), any::<String>()]) {
        let patterns = [pattern];
        let _ = (patterns[0].matches(&text), allows(&patterns, &text), denies(&patterns, &text));
        let _ = judge(&patterns, &patterns, &text);
    }

    #[test]
    fn a_prefix_never_allows_a_stage_of_another_program(prefix in tricky(), text in tricky()) {
        let patterns = [command("a *"), command("a:*"), Pattern::new(Matcher::Prefix, "a")];
        let around = format!("{prefix} a x \nrm -rf x\n{text}");
        for text in [text.as_str(), around.as_str()] {
            let analysis = shell::analyse(text);
            let foreign = analysis.stages.iter().any(|stage| stage.program == "rm");
            prop_assert!(!(foreign && allows(&patterns, text)), "{text:?}");
        }
    }

    #[test]
    fn what_follows_an_allowed_command_has_to_be_allowed_too(text in tricky()) {
        let patterns = [command("a *")];
        if allows(&patterns, &text) {
            prop_assert!(!allows(&patterns, &format!("{text} \nrm -rf x")), "{text:?}");
        }
    }

    #[test]
    fn a_denial_wins(text in tricky(), allowed in any_pattern(), denied in any_pattern()) {
        let (allowed, denied) = ([allowed, command("*")], [denied, command("rm *")]);
        let verdict = judge(&allowed, &denied, &text);
        prop_assert_eq!(verdict == Verdict::Denied, denies(&denied, &text));
        prop_assert_ne!(judge(&allowed, &denied, &format!("{text} \nrm -rf x")), Verdict::Allowed);
    }

    #[test]
    fn a_grant_of_every_target_allows_the_command(text in tricky()) {
        let analysis = shell::analyse(&text);
        let grants: Vec<Pattern> = shell::targets(&analysis)
            .into_iter()
            .filter(|target| target.resource == shell::Resource::ShellCommand)
            .map(|target| Pattern { matcher: target.matcher, text: target.value })
            .collect();
        let opens = analysis.stages.iter().any(Stage::redirects_beyond_itself);
        // Read alone, these look like something else, and are refused or mean more.
            let odd = ["{}", "<<", ")#", "$'", "\
"];
            let unusual = grants.iter().any(|grant| odd.iter().any(|odd| grant.text.contains(odd)));
        if !analysis.is_opaque() && !opens && !grants.is_empty() && !unusual {
            prop_assert!(allows(&grants, &text), "{grants:?}");
        }
    }
}
