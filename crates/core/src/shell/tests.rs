//! What bash would run, and what is told of it.

use proptest::prelude::*;

use super::*;

fn runs(command: &str) -> Vec<String> {
    let analysis = analyse(command);
    assert_eq!(analysis.opaque, None, "{command}");
    analysis.stages.iter().map(Stage::text).collect()
}

fn why_opaque(command: &str) -> Opaque {
    analyse(command).opaque.unwrap_or_else(|| panic!("should be opaque: {command}"))
}

/// Commands that are read in full, and every simple command in them.
const READ: &[(&str, &[&str])] = &[
    ("git status", &["git status"]),
    ("  git   status  ", &["git status"]),
    ("git status; rm -rf x", &["git status", "rm -rf x"]),
    ("git status\nrm -rf x", &["git status", "rm -rf x"]),
    ("git status & rm -rf x", &["git status", "rm -rf x"]),
    ("git status && rm x || ls", &["git status", "rm x", "ls"]),
    ("git log | head", &["git log", "head"]),
    ("git log |& head", &["git log", "head"]),
    ("git log |\n\n head", &["git log", "head"]),
    ("! git diff --quiet", &["git diff --quiet"]),
    ("time git log", &["git log"]),
    ("(cd a && make); ls", &["cd a", "make", "ls"]),
    ("{ a; b; }; c", &["a", "b", "c"]),
    ("if a; then b; elif c; then d; else e; fi", &["a", "b", "c", "d", "e"]),
    ("for f in a b; do rm x; done", &["rm x"]),
    ("while a; do b; done; until c; do d; done", &["a", "b", "c", "d"]),
    ("case x in a) b;; (c|d) e;& *) f;;& g) esac", &["b", "e", "f"]),
    ("f() { rm x; }; f", &["rm x", "f"]),
    ("function f { rm x; }", &["rm x"]),
    ("coproc rm x", &["rm x"]),
    ("[[ a == b && -f x ]] && rm x", &["rm x"]),
    // Quotes
    ("g'i't \"sta\"tus", &["git status"]),
    (r"\rm x", &["rm x"]),
    ("echo 'a; rm b'", &["echo 'a; rm b'"]),
    ("echo \"a && rm b\"", &["echo 'a && rm b'"]),
    ("echo 'it'\\''s'", &[r"echo 'it'\''s'"]),
    ("echo '$(rm x)' '`rm x`'", &["echo '$(rm x)' '`rm x`'"]),
    (r#"echo "\$(rm x)" "\`rm\`""#, &["echo '$(rm x)' '`rm`'"]),
    (r"echo $'a\tb\n'", &[r"echo $'a\tb\n'"]),
    ("'rm -rf x'", &["'rm -rf x'"]),
    ("'if' x", &["'if' x"]),
    ("'a=b' c", &["'a=b' c"]),
    ("echo ''", &["echo ''"]),
    ("echo ünïcode 日本", &["echo 'ünïcode' '日本'"]),
    // Comments and continued lines
    ("ls # ; rm x", &["ls"]),
    ("# nothing", &[]),
    ("ls#x; rm y", &["'ls#x'", "rm y"]),
    ("ls # x \\\nrm y", &["ls", "rm y"]),
    ("git \\\n  status", &["git status"]),
    ("r\\\nm x", &["rm x"]),
    ("a &&\\\n b", &["a", "b"]),
    // Redirections
    ("make 2>&1", &["make"]),
    ("make >&- 2>&-", &["make"]),
    ("make &>f", &["make"]),
    ("make >| f >>g <h", &["make"]),
    ("> f", &[""]),
    ("{ a; } > f", &["a", ""]),
    // Here-documents are data
    ("cat <<EOF\nrm -rf x\nEOF\nls", &["cat", "ls"]),
    ("cat <<'EOF' > f\n$(rm x) `y` ' \"\nEOF\nls", &["cat", "ls"]),
    ("cat <<-EOF | wc\n\tx\n\tEOF\nls", &["cat", "wc", "ls"]),
    ("cat <<A; cat <<B\n1\nA\n2\nB\nls", &["cat", "cat", "ls"]),
    ("cat <<EOF\nx\n EOF\nEOFF\nEOF\nrm y", &["cat", "rm y"]),
    ("cat <<< 'rm x'", &["cat"]),
    // Words the shell decides later
    ("echo $HOME \"$X\" *.rs {a,b} ~", &["echo $HOME \"$X\" *.rs {a,b} ~"]),
    ("echo ${x:-y} ${#x} ${x%.*} ${a[@]}", &["echo ${x:-y} ${#x} ${x%.*} ${a[@]}"]),
    ("echo $((1 + 2))", &["echo $((1 + 2))"]),
    // Variables
    ("A=b git status", &["A=b git status"]),
    ("A=b", &["A=b"]),
    ("export A=b", &["export A=b"]),
    ("x=(a b); ls", &["x=(a b)", "ls"]),
    // Wrappers, with what they run
    ("sh -c 'git status; rm x'", &["sh -c 'git status; rm x'", "git status", "rm x"]),
    ("bash -lc 'ls'", &["bash -lc ls", "ls"]),
    ("bash -euo pipefail -c 'ls' name arg", &["bash -euo pipefail -c ls name arg", "ls"]),
    ("/bin/sh -c \"sh -c 'rm x'\"", &["/bin/sh -c 'sh -c '\\''rm x'\\'''", "sh -c 'rm x'", "rm x"]),
    ("env A=b rm x", &["env A=b rm x", "A=b rm x"]),
    ("env -i -u B rm x", &["env -i -u B rm x", "rm x"]),
    ("ls | xargs -0 -n1 rm", &["ls", "xargs -0 -n1 rm", "rm \"$@\""]),
    (
        "find . -name '*.o' -exec rm {} + -exec ls {} \\;",
        &["find . -name '*.o' -exec rm '{}' + -exec ls '{}' ';'", "rm '{}'", "ls '{}'"],
    ),
    ("xargs -I{} mv {} x", &["xargs '-I{}' mv '{}' x", "mv '{}' x"]),
    ("sudo -u bob rm x", &["sudo -u bob rm x", "rm x"]),
    (
        "timeout -k 5 30 nice -n 10 nohup stdbuf -oL rm x",
        &[
            "timeout -k 5 30 nice -n 10 nohup stdbuf -oL rm x",
            "nice -n 10 nohup stdbuf -oL rm x",
            "nohup stdbuf -oL rm x",
            "stdbuf -oL rm x",
            "rm x",
        ],
    ),
    ("command rm x; exec rm y", &["command rm x", "rm x", "exec rm y", "rm y"]),
    ("command -v rm", &["command -v rm"]),
    ("bash script.sh", &["bash script.sh"]),
    ("set -euo pipefail; ls", &["set -euo pipefail", "ls"]),
];

#[test]
fn every_simple_command_is_found_that_bash_would_run() {
    for (command, expected) in READ {
        assert_eq!(runs(command), *expected, "{command}");
    }
}

#[test]
fn what_only_running_would_tell_is_opaque() {
    use Opaque::*;
    let table: &[(&str, Opaque)] = &[
        ("echo $(rm x)", CommandSubstitution),
        ("echo `rm x`", CommandSubstitution),
        ("echo \"a $(rm x)\"", CommandSubstitution),
        ("echo ${x:-$(rm x)}", CommandSubstitution),
        ("cat <<EOF\n$(rm x)\nEOF", CommandSubstitution),
        ("cat <<EOF\n`rm x`\nEOF", CommandSubstitution),
        ("cat <<< $(rm x)", CommandSubstitution),
        ("A=$(rm x)", CommandSubstitution),
        ("for i in $(rm x); do ls; done", CommandSubstitution),
        ("case $(rm x) in a) ;; esac", CommandSubstitution),
        ("[[ $(rm x) ]]", CommandSubstitution),
        ("ls > $(rm x)", CommandSubstitution),
        ("x=(a $(rm x))", CommandSubstitution),
        ("diff <(rm x) y", ProcessSubstitution),
        ("ls > >(rm x)", ProcessSubstitution),
        ("$X x", DynamicProgram),
        ("\"$@\"", DynamicProgram),
        ("{rm,-rf,x}", DynamicProgram),
        ("/bin/r? x", DynamicProgram),
        ("'' x", DynamicProgram),
        ("find . -exec {} \\;", DynamicProgram),
        ("((x = 1))", Arithmetic),
        ("x='a[$(rm y)]'; echo $((x))", Arithmetic),
        ("[[ x -eq 1 ]]", Arithmetic),
        ("for ((i=0;i<3;i++)); do ls; done", Arithmetic),
        ("echo $[x]", Arithmetic),
        ("PATH=/evil git status", Variable("PATH".into())),
        ("LD_PRELOAD=x git status", Variable("LD_PRELOAD".into())),
        ("IFS=/ ls", Variable("IFS".into())),
        ("BASH_ENV=x bash y", Variable("BASH_ENV".into())),
        ("GIT_SSH_COMMAND=x git fetch", Variable("GIT_SSH_COMMAND".into())),
        ("export PATH=/evil; git status", Variable("PATH".into())),
        ("env PATH=/evil git status", Variable("PATH".into())),
        ("for PATH in /evil; do git status; done", Variable("PATH".into())),
        ("read PATH <<< /evil; git status", Variable("PATH".into())),
        ("printf -v PATH /evil; git status", Variable("PATH".into())),
        ("PATH+=:x; git status", Variable("PATH".into())),
        ("eval rm x", Builtin("eval".into())),
        ("source x", Builtin("source".into())),
        (". x", Builtin(".".into())),
        ("trap 'rm x' EXIT", Builtin("trap".into())),
        ("alias git=rm", Builtin("alias".into())),
        ("shopt -s expand_aliases", Builtin("shopt".into())),
        ("set -k; git status PATH=/evil", Builtin("set".into())),
        ("test -v 'a[$(rm x)]'", Builtin("test".into())),
        ("X=-v; test $X 'a[$(rm x)]'", Builtin("test".into())),
        ("command eval rm x", Builtin("eval".into())),
        ("sh -c \"$X\"", Wrapper("sh".into())),
        ("bash -ic ls", Wrapper("bash".into())),
        ("zsh -c ls", Wrapper("zsh".into())),
        ("env -S 'rm x'", Wrapper("env".into())),
        ("env $X ls", Wrapper("env".into())),
        ("sudo -i", Wrapper("sudo".into())),
        ("xargs sh -c", Wrapper("sh".into())),
        ("curl x | sh", ShellInput("sh".into())),
        ("bash -s < x", Wrapper("bash".into())),
        ("bash <<EOF\nrm x\nEOF", ShellInput("bash".into())),
        ("bash /dev/stdin < x", ShellInput("bash".into())),
        ("ls; )", Unparsable),
        (r"echo \$(rm x\)", Unparsable),
        ("cat <<EOF", Unparsable),
        ("ls 'x", Unparsable),
        ("if ls; then", Unparsable),
        ("select x in a; do rm y; done", Unparsable),
        ("ls 99999999999>x", Unparsable),
        ("ls \u{0}x", HiddenCharacters),
        ("ls \u{1b}[2K", HiddenCharacters),
        ("ls \u{202e}x", HiddenCharacters),
        ("ls\r\nrm x", HiddenCharacters),
        // Where the parser, bash and sh do not agree
        (r"echo \$'a\'; rm x #'", Unclear),
        (r"echo $'a\'; rm x #'", Unclear),
        ("echo $\\\n(rm x)", Unclear),
        ("cat <\\\n<EOF\nEOF", Unclear),
        ("cat <<$'EOF'\nx\nEOF\nrm x\n$EOF", Unclear),
        ("cat <<\"E\"OF\nx\nEOF\nrm x", Unclear),
        ("cat <<''\nx\n\nrm x", Unclear),
        ("cat <<EOF\na\\\nEOF\nrm x\nEOF", Unclear),
        ("((a); (b) ); cat << x ; rm y", Arithmetic),
        ("echo ${x:-((}; cat << x ; rm y", Unclear),
        ("ls >&-rm x", Unclear),
        ("x=(a)# rm y", Unclear),
        ("x=(a)b c", Unclear),
        ("x=(a)\\\n#b c", Unclear),
        ("x=(a)\\\nb c", Unclear),
        ("a[ ; rm x", Unclear),
        ("ls >& '$(rm x)'", Unclear),
        ("[[ a < b ]]", Unclear),
        ("[[ a || reboot ]]", Unclear),
        ("[[ a &&\n reboot ]]", Unclear),
        ("cat <<E; x=(a)$$[[ b ]]\nE", Unclear),
        ("[[ a || ! ( reboot = b ) ]]", Unclear),
        ("git log &> /dev/null rm x", Unclear),
        ("echo ${!x} ${x@P}", Unclear),
    ];
    for (command, reason) in table {
        assert_eq!(&why_opaque(command), reason, "{command}");
    }
}

#[test]
fn an_opaque_command_still_shows_what_can_be_seen() {
    for command in [
        "git status $(rm x)",
        "git status `rm x`",
        "echo \"$(git log $(rm x))\"",
        "diff <(rm x) y",
        "cat <<EOF\n$(rm x)\nEOF",
        "ls\nrm x\n)",
        "'unclosed\nrm x",
        "((a); (rm x))",
        "eval ls; rm x",
        "PATH=/evil rm x",
    ] {
        let analysis = analyse(command);
        assert!(analysis.is_opaque(), "{command}");
        assert!(analysis.stages.iter().any(|stage| stage.program == "rm"), "{command}: {:?}", analysis.stages);
    }
}

#[test]
fn redirections_name_the_files_they_open() {
    let opened = |command: &str| -> Vec<(Access, String)> {
        let stages = analyse(command).stages;
        stages.into_iter().flat_map(|stage| stage.redirects).map(|r| (r.access, r.target.text)).collect()
    };
    let file = |access, name: &str| vec![(access, name.to_owned())];
    assert_eq!(opened("a 2>&1 >&2 3<&0 4>&-"), vec![]);
    for command in
        ["a >f", "a >|f", "a >>f", "a &>f", "a &>>f", "a >& f", "a 2>'f'", ">f a", "{ a; } >f", "f() { a; } >f"]
    {
        assert_eq!(opened(command), file(Access::Write, "f"), "{command}");
    }
    assert_eq!(opened("a <f"), file(Access::Read, "f"));
    assert_eq!(opened("a <>f"), file(Access::ReadWrite, "f"));
}

#[test]
fn a_hostile_command_costs_little_time_and_stack() {
    let repeat = |part: &str, times: usize| part.repeat(times);
    let hostile = [
        repeat("(", 30_000),
        repeat("( ", 40) + ";" + &repeat(" )", 40),
        repeat("((", 20) + ";" + &repeat("))", 20),
        repeat("{ ", 30_000),
        repeat("$(", 30_000),
        repeat("$((", 20_000),
        repeat("${x:-", 12_000),
        repeat("\"$(", 20_000),
        repeat("`", 60_000),
        repeat("if ", 20_000),
        repeat("if a; then ", 5_000) + &repeat("fi;", 5_000),
        repeat("case x in a) ", 4_000),
        repeat("case x in a) ", 6) + "b" + &repeat(" esac", 6),
        repeat("coproc ", 9_000),
        repeat("! ", 30_000) + "a",
        format!("[[ {} a ]]", repeat("! ", 30_000)),
        format!("[[ {} a ]]", repeat("a && ", 12_000)),
        format!("[[ {} a ]]", repeat("( ", 12_000)),
        repeat("f() { ", 9_000),
        repeat("a | ", 15_000) + "a",
        repeat("a; ", 20_000),
        repeat("a&&", 20_000) + "a",
        repeat("a=b ", 16_000),
        repeat("a[", 30_000),
        repeat("a[(", 20_000) + "=1",
        format!("a[{}]=1", repeat("\"$(", 10)),
        repeat("<<a ", 16_000),
        repeat("<<a ", 200) + "\n" + &repeat("a\n", 200),
        repeat("<< ''", 12_000),
        "cat <<''".to_owned(),
        "a <<'EOF'$(  ".to_owned(),
        "$(a << \n".to_owned(),
        "$(a << )".to_owned(),
        "${x<<} ''".to_owned(),
        format!("cat <<{}\n{}", repeat("x", 30_000), repeat("\n", 30_000)),
        repeat("'", 65_535),
        repeat("\\", 65_535),
        repeat("~9999999999 ", 5_000),
        "echo ~99999999999999999999999999 {1..99999999999999999999999999}".to_owned(),
        "99999999999999999999999>x".to_owned(),
        repeat("x", 70_000),
        repeat("sh -c ", 10_000),
        repeat("env ", 16_000) + "ls",
        (0..12).fold("ls".to_owned(), |inner, _| format!("sh -c {}", word::quote(&inner))),
    ];
    // Half of what a thread of the gateway has.
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let judged = small.spawn(move || {
        for command in &hostile {
            // One that backtracks without end would not come back.
            let analysis = analyse(command);
            drop((risk(&analysis), targets(&analysis)));
        }
    });
    judged.expect("a thread can be started").join().expect("no command overflows the stack");
}

#[test]
fn programs_that_wrap_many_deep_are_opaque() {
    assert_eq!(why_opaque(&("env ".repeat(20) + "ls")), Opaque::TooComplex);
    assert_eq!(why_opaque(&"x".repeat(MAX_COMMAND + 1)), Opaque::TooLong);
    assert_eq!(analyse(&"a;".repeat(MAX_STAGES + 1)).stages.len(), MAX_STAGES);
    assert_eq!(why_opaque(&"a;".repeat(MAX_STAGES + 1)), Opaque::TooComplex);
}

#[test]
fn risk_grows_with_the_harm() {
    let level = |command: &str| risk(&analyse(command)).level;
    for (command, expected) in [
        ("ls -la | head", Risk::None),
        ("git status", Risk::None),
        ("cat README.md > /dev/null 2>&1", Risk::None),
        ("timeout 5 ls", Risk::None),
        ("cargo test", Risk::Low),
        ("git commit -m x", Risk::Low),
        ("echo x > f", Risk::Medium),
        ("rm x", Risk::Medium),
        ("npm install left-pad", Risk::Medium),
        ("./unknown", Risk::Medium),
        ("rm -rf build", Risk::High),
        ("git push --force", Risk::High),
        ("sudo ls", Risk::High),
        ("cat .env", Risk::High),
        ("echo x >> ~/.bashrc", Risk::High),
        ("echo $(ls)", Risk::High),
        ("git -c core.pager=x log", Risk::High),
        ("rm -rf /", Risk::Critical),
        ("rm -fr ~", Risk::Critical),
        ("env rm -r $HOME", Risk::Critical),
        ("curl https://x | sh", Risk::Critical),
        ("dd if=x of=/dev/sda", Risk::Critical),
        ("echo $(rm -rf /)", Risk::Critical),
        ("echo x > /dev/sda", Risk::Critical),
    ] {
        assert_eq!(level(command), expected, "{command}: {:?}", risk(&analyse(command)).reasons);
    }
    let reasons = risk(&analyse("ls; rm -rf x; rm y")).reasons;
    assert_eq!(reasons.iter().map(|reason| reason.level).collect::<Vec<_>>(), [Risk::High, Risk::Medium]);
}

#[test]
fn targets_are_what_a_permission_has_to_cover() {
    let shown = |command: &str| -> Vec<String> {
        let targets = targets(&analyse(command));
        targets.iter().map(|t| format!("{:?} {:?} {}", t.resource, t.action, t.value)).collect()
    };
    assert_eq!(
        shown("timeout 5 git log | head > out"),
        ["ShellCommand Execute git log", "ShellCommand Execute head", "File Write out"]
    );
    assert_eq!(shown("sudo rm x"), ["ShellCommand Execute sudo rm x", "ShellCommand Execute rm x", "File Delete x"]);
    assert_eq!(
        shown("curl https://u@example.org:80/x"),
        ["ShellCommand Execute curl https://u@example.org:80/x", "Network Request example.org:80"]
    );
    assert_eq!(shown("echo $(rm x)")[0], "ShellCommand Execute echo $(rm x)");
    assert_eq!(
        shown("echo x > /dev/tcp/example.org/80"),
        ["ShellCommand Execute echo x", "Network Request example.org:80"]
    );
    assert_eq!(shown("A=b; true"), Vec::<String>::new());
}

#[test]
fn analyses_travel_as_json() {
    let analysis = analyse("PATH=x rm $Y > f");
    let text = serde_json::to_string(&analysis).unwrap();
    assert_eq!(serde_json::from_str::<Analysis>(&text).unwrap(), analysis);
    assert!(text.contains(r#""opaque":{"variable":"PATH"}"#), "{text}");
    let target = serde_json::to_string(&targets(&analyse("ls"))).unwrap();
    assert_eq!(target, r#"[{"resource":"shell-command","action":"execute","value":"ls","matcher":"shell-command"}]"#);
}

/// Texts made of the pieces that shells trip over.
pub(crate) fn tricky() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "a",
        "b c",
        "rm -rf x",
        " ",
        "\n",
        "\\\n",
        ";",
        "&",
        "|",
        "&&",
        "||",
        "|&",
        "(",
        ")",
        "((",
        "))",
        "{ ",
        "; }",
        "'",
        "\"",
        "`",
        "$(",
        "${",
        "${x}",
        "$((",
        "$[",
        "$x",
        "$'",
        "$\"",
        "\\",
        "#",
        "<<EOF\n",
        "<<'E'\n",
        "\nEOF\n",
        "<<",
        "<<<",
        "<(",
        ">(",
        ">",
        ">>",
        ">|",
        "&>",
        "2>&1",
        ">&-",
        "<",
        "<>",
        "if ",
        "then ",
        "fi",
        "for i in ",
        "do ",
        "done",
        "case x in ",
        "esac",
        ";;",
        "while ",
        "f() ",
        "function f ",
        "coproc ",
        "[[ ",
        " ]]",
        "! ",
        "time ",
        "=",
        "x=",
        "x=(",
        "a[",
        "]",
        "*",
        "?",
        "~",
        "{a,b}",
        "sh -c ",
        "env ",
        "xargs ",
        "find . -exec ",
        "\\;",
        "eval ",
        "sudo ",
        "PATH=",
        "é",
        "\u{0}",
        "\u{202e}",
        "1",
        "99999999999",
        "-",
        "--",
        ":*",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES), 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics(command in any::<String>()) {
        let analysis = analyse(&command);
        drop((risk(&analysis), targets(&analysis)));
    }

    #[test]
    fn no_tricky_text_panics(command in tricky()) {
        let analysis = analyse(&command);
        drop((risk(&analysis), targets(&analysis)));
    }

    #[test]
    fn a_stage_reads_as_itself_again(command in tricky()) {
        let analysis = analyse(&command);
        let plain = analysis.stages.iter().filter(|stage| {
            let filled_in = stage.args.iter().any(|word| word.dynamic && word.text.contains("{}"));
            !stage.wrapper && !stage.program.is_empty() && !filled_in
        });
        for stage in plain.filter(|_| !analysis.is_opaque()) {
            let again = analyse(&stage.text());
            // Some texts are refused for how they look in other quotes; none is taken for something else.
            if again.is_opaque() {
                prop_assert!(["<<", ")#", "$'", "\\\n"].iter().any(|odd| stage.text().contains(odd)), "{}", stage.text());
                continue;
            }
            let mut same = stage.clone();
            same.redirects.clear();
            prop_assert_eq!(&again.stages[0], &same, "{}", stage.text());
        }
    }

    #[test]
    fn any_text_survives_being_quoted(text in "[^\\p{C}]*") {
        prop_assume!(!text.is_empty());
        let analysis = analyse(&format!("echo {}", word::quote(&text)));
        if analysis.opaque.is_none() {
            prop_assert_eq!(&analysis.stages[0].args[0], &Word::fixed(text));
        }
    }

    #[test]
    fn a_command_in_single_quotes_runs_nothing(command in tricky()) {
        let analysis = analyse(&format!("echo {}; ls", word::quote(&command)));
        if analysis.opaque.is_none() {
            prop_assert_eq!(analysis.stages.len(), 2);
        }
    }
}
