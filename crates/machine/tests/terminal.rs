//! Terminals with real commands in them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rejoin_machine::cage::{self, Cage, Caged};
use rejoin_machine::shell::{End, Shell};
use rejoin_machine::terminal::{From, InputError, Piece, Run, Size, Spec, Terminal, Viewer};
use tokio::time::timeout;

/// Far longer than anything here should take, far shorter than `sleep 600`.
const SOON: Duration = Duration::from_secs(120);

fn script(text: &str) -> Run {
    Run::Script(text.to_owned())
}

fn open(text: &str) -> Terminal {
    open_in(Path::new("/tmp"), text)
}

fn open_in(folder: &Path, text: &str) -> Terminal {
    Terminal::open(&Spec::new(script(text), folder), &Shell::unwatched()).unwrap()
}

async fn end(terminal: &Terminal) -> End {
    timeout(SOON, terminal.wait()).await.expect("it ends")
}

async fn next(viewer: &mut Viewer) -> Option<Piece> {
    timeout(SOON, viewer.next()).await.expect("something comes")
}

/// Reads until the output so far has `what` in it, and gives back all of it.
async fn until(viewer: &mut Viewer, what: &str) -> String {
    let mut seen = Vec::new();
    loop {
        match next(viewer).await.unwrap_or_else(|| panic!("{what:?} did not come")) {
            Piece::Output { bytes, .. } => seen.extend_from_slice(&bytes),
            Piece::Snapshot(snapshot) => seen = snapshot.screen.unwrap_or_default().into_bytes(),
            Piece::Resized(_) | Piece::Exited(_) => {}
        }
        let text = String::from_utf8_lossy(&seen);
        if text.contains(what) {
            return text.into_owned();
        }
    }
}

fn is_alive(file: &Path) -> bool {
    let pid = fs::read_to_string(file).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    !matches!(stat.rsplit(')').next().unwrap_or_default().trim().chars().next(), None | Some('Z' | 'X'))
}

#[tokio::test]
async fn a_command_sees_the_size_of_its_terminal_and_every_change() {
    let spec = Spec { size: Size::new(91, 33), ..Spec::new(script("stty size; read x; stty size"), "/tmp") };
    let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
    let mut viewer = terminal.view(From::Screen);
    until(&mut viewer, "33 91").await;
    terminal.resize(Size::new(120, 40).unwrap());
    loop {
        if let Some(Piece::Resized(size)) = next(&mut viewer).await {
            assert_eq!((size.cols(), size.rows()), (120, 40));
            break;
        }
    }
    terminal.write(Bytes::from_static(b"\n")).await.unwrap();
    until(&mut viewer, "40 120").await;
    assert_eq!(end(&terminal).await, End::Exited(0));
    assert_eq!(terminal.size(), Size::new(120, 40));
}

#[tokio::test]
async fn how_it_ended_is_known_after_all_of_its_output() {
    for (text, over) in [("echo bye; exit 7", End::Exited(7)), ("echo bye; kill -9 $$", End::Signalled(9))] {
        for spec in [Spec::new(script(text), "/tmp"), Spec::plain(script(text), "/tmp")] {
            let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
            assert_eq!(end(&terminal).await, over);
            let output = terminal.output();
            assert_eq!((output.text().trim_end(), output.over, output.truncated), ("bye", Some(over), false));
            let mut viewer = terminal.view(From::Scrollback);
            until(&mut viewer, "bye").await;
            assert_eq!(next(&mut viewer).await, Some(Piece::Exited(over)));
            assert_eq!(next(&mut viewer).await, None);
            assert_eq!(
                terminal.write(Bytes::from_static(b"x")).await,
                Err(match spec.size {
                    Some(_) => InputError::Over,
                    None => InputError::NoInput,
                })
            );
        }
    }
}

#[tokio::test]
async fn a_terminal_that_all_have_closed_ends_without_an_error() {
    // The command goes on without its terminal: reading that fails with EIO meanwhile.
    let terminal = open("echo last; exec <&- >&- 2>&-; sleep 0.3; exit 3");
    assert_eq!(end(&terminal).await, End::Exited(3));
    assert_eq!(terminal.output().text().trim_end(), "last");
}

#[tokio::test]
async fn a_flood_passes_a_viewer_who_does_not_look_and_one_who_does() {
    const LINE: &str = "the quick brown fox jumps over the lazy dog, over and over again, until it is tired";
    let bytes = 30 << 20;
    let terminal = open(&format!("stty -opost; yes '{LINE}' | head -c {bytes}; printf THE-END"));
    let mut stuck = terminal.view(From::Screen);
    assert!(matches!(next(&mut stuck).await, Some(Piece::Snapshot(_))));

    let mut viewer = terminal.view(From::Screen);
    let (mut at, mut gaps) = (0, 0);
    loop {
        match next(&mut viewer).await.unwrap() {
            Piece::Snapshot(snapshot) => {
                gaps += usize::from(snapshot.missed > 0);
                assert_eq!(snapshot.cursor, at + snapshot.missed);
                at = snapshot.cursor;
            }
            Piece::Output { at: begins, bytes } => {
                assert_eq!(begins, at, "there is neither hole nor overlap");
                assert!(bytes.len() <= 16 * 1024);
                at += bytes.len() as u64;
            }
            Piece::Resized(_) => {}
            Piece::Exited(over) => {
                assert_eq!(over, End::Exited(0));
                break;
            }
        }
    }
    assert_eq!(at, bytes + "THE-END".len() as u64);
    println!("gaps of a viewer who looks: {gaps}");

    let Some(Piece::Snapshot(again)) = next(&mut stuck).await else { panic!("it is told what it missed") };
    assert!(again.missed > (20 << 20) && again.screen.is_some_and(|screen| screen.contains("THE-END")));
    assert!(matches!(next(&mut stuck).await, Some(Piece::Exited(_))));
}

#[tokio::test]
async fn killing_ends_everybody_in_whatever_group_they_hide() {
    let folder = tempfile::tempdir().unwrap();
    let text = "set -m
        sh -c 'echo $$ > job; exec sleep 600' &
        setsid sh -c 'echo $$ > stray; exec sleep 600' &
        sh -c 'sh -c \"echo \\$\\$ > deep; trap \\\"\\\" HUP TERM; sleep 600; sleep 600\" & wait' &
        env -i sh -c 'trap \"\" HUP; echo $$ > bare; exec sleep 600' &
        until [ -s job ] && [ -s stray ] && [ -s deep ] && [ -s bare ]; do sleep 0.01; done; echo ready; wait";
    let terminal = open_in(folder.path(), text);
    until(&mut terminal.view(From::Screen), "ready").await;
    let files = ["job", "stray", "deep", "bare"].map(|name| folder.path().join(name));
    assert!(files.iter().all(|file| is_alive(file)));
    terminal.kill();
    assert!(matches!(end(&terminal).await, End::Signalled(_)));
    for file in files {
        assert!(!is_alive(&file), "{}", file.display());
    }
}

#[tokio::test]
async fn a_shell_that_exits_takes_its_jobs_along() {
    let folder = tempfile::tempdir().unwrap();
    let text = "set -m; sh -c 'trap \"\" HUP; echo $$ > job; exec sleep 600' & until [ -s job ]; do sleep 0.01; done";
    let terminal = open_in(folder.path(), text);
    assert_eq!(end(&terminal).await, End::Exited(0));
    assert!(!is_alive(&folder.path().join("job")));
}

#[tokio::test]
async fn a_terminal_that_nobody_holds_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let terminal = open_in(folder.path(), "echo $$ > pid; echo up; exec sleep 600");
    let mut viewer = terminal.view(From::Screen);
    until(&mut viewer, "up").await;
    drop(terminal);
    assert!(matches!(next(&mut viewer).await, Some(Piece::Exited(End::Signalled(_)))));
    assert!(!is_alive(&folder.path().join("pid")));
}

#[tokio::test]
async fn a_late_joiner_sees_what_the_first_sees() {
    let terminal =
        open("stty -echo; printf '\\033[2J\\033[3;5Hhere\\033[1;31m'; read x; printf 'more \\033[mplain'; sleep 600");
    let mut first = terminal.view(From::Screen);
    let mut seen = vt100::Parser::default();
    let show = |piece: Option<Piece>, seen: &mut vt100::Parser| match piece.unwrap() {
        Piece::Snapshot(snapshot) => seen.process(snapshot.screen.unwrap_or_default().as_bytes()),
        Piece::Output { bytes, .. } => seen.process(&bytes),
        Piece::Resized(_) | Piece::Exited(_) => {}
    };
    while !seen.screen().contents().contains("here") {
        show(next(&mut first).await, &mut seen);
    }
    let mut late = terminal.view(From::Screen);
    let mut later = vt100::Parser::default();
    show(next(&mut late).await, &mut later);
    assert_eq!(later.screen().contents_formatted(), seen.screen().contents_formatted());
    terminal.write(Bytes::from_static(b"\n")).await.unwrap();
    while !seen.screen().contents().contains("plain") {
        show(next(&mut first).await, &mut seen);
    }
    while !later.screen().contents().contains("plain") {
        show(next(&mut late).await, &mut later);
    }
    assert_eq!(later.screen().contents_formatted(), seen.screen().contents_formatted());
    assert_eq!(terminal.viewers(), 2);
}

#[tokio::test]
async fn one_who_comes_back_goes_on_behind_what_it_saw() {
    let terminal = open("stty -echo; printf one; read x; printf two; read x");
    let mut viewer = terminal.view(From::Screen);
    until(&mut viewer, "one").await;
    let cursor = terminal.output().end;
    drop(viewer);
    terminal.write(Bytes::from_static(b"\n")).await.unwrap();
    let mut viewer = terminal.view(From::Cursor(cursor));
    let Some(Piece::Snapshot(first)) = next(&mut viewer).await else { panic!("a snapshot comes first") };
    assert_eq!((first.cursor, first.screen, first.missed), (cursor, None, 0));
    assert_eq!(until(&mut viewer, "two").await, "two");
    let Some(Piece::Snapshot(stranger)) = next(&mut terminal.view(From::Cursor(9_999))).await else { panic!() };
    assert!(stranger.screen.is_some_and(|screen| screen.contains("onetwo")));
}

#[tokio::test]
async fn plain_output_keeps_its_end_and_says_so() {
    let spec = Spec { scrollback: 100, ..Spec::plain(script("seq 1 500; printf 'zä' >&2"), "/tmp") };
    let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
    assert_eq!(end(&terminal).await, End::Exited(0));
    let output = terminal.output();
    assert!(output.truncated && output.bytes.len() == 100 && output.text().ends_with("\n499\n500\nzä"), "{output:?}");
    let spec = Spec { scrollback: 6, ..Spec::plain(script("printf 'äääää'"), "/tmp") };
    let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
    end(&terminal).await;
    assert_eq!(terminal.output().text(), "äää");
    let spec = Spec { scrollback: 5, ..spec };
    let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
    end(&terminal).await;
    assert_eq!(terminal.output().text(), "ää", "no letter is cut in two");
}

#[tokio::test]
async fn what_is_piped_in_has_an_end() {
    let spec = Spec { input: true, ..Spec::plain(script("tr a-z A-Z"), "/tmp") };
    let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
    terminal.write(Bytes::from_static(b"hello")).await.unwrap();
    terminal.end_input().await.unwrap();
    assert_eq!(end(&terminal).await, End::Exited(0));
    assert_eq!(terminal.output().text(), "HELLO");
    let shell = open("cat; echo over");
    shell.end_input().await.unwrap();
    assert_eq!(end(&shell).await, End::Exited(0));
}

#[tokio::test]
async fn typing_at_a_program_that_does_not_read_is_refused_in_the_end() {
    let terminal = open("stty raw -echo; echo up; exec sleep 600");
    until(&mut terminal.view(From::Screen), "up").await;
    let mut refused = None;
    for _ in 0..100 {
        if let Err(error) = terminal.write(Bytes::from(vec![b'x'; 4_096])).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused, Some(InputError::Busy));
    assert_eq!(terminal.write(Bytes::from(vec![b'x'; 70_000])).await, Err(InputError::TooLong));
    terminal.kill();
    end(&terminal).await;
}

#[tokio::test]
async fn a_login_shell_knows_its_terminal_and_none_of_our_secrets() {
    let mut spec = Spec::new(Run::LoginShell, "/tmp");
    spec.env = vec![("GIVEN".to_owned(), "by the session".to_owned())];
    let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
    let mut viewer = terminal.view(From::Screen);
    terminal.write(Bytes::from_static(b"env; tty; pwd; exit 4\n")).await.unwrap();
    let mut said = String::new();
    loop {
        match next(&mut viewer).await.unwrap() {
            Piece::Output { bytes, .. } => said.push_str(&String::from_utf8_lossy(&bytes)),
            Piece::Exited(over) => {
                assert_eq!(over, End::Exited(4), "{said}");
                break;
            }
            _ => {}
        }
    }
    for line in ["TERM=xterm-256color\r\n", "GIVEN=by the session\r\n", "/dev/pts/", "\r\n/tmp\r\n"] {
        assert!(said.contains(line), "{line:?} in {said}");
    }
    assert!(!said.contains("CARGO_MANIFEST_DIR"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_started_is_told() {
    let shell = Shell::unwatched();
    let program = |program: &str| Run::Program { program: program.to_owned(), args: Vec::new() };
    for spec in [
        Spec::new(program("/no/such/program"), "/tmp"),
        Spec::plain(program("/no/such/program"), "/tmp"),
        Spec::plain(program(""), "/tmp"),
        Spec::plain(script("a\0b"), "/tmp"),
        Spec::plain(script("true"), "/no/such/folder"),
    ] {
        let error = Terminal::open(&spec, &shell).unwrap_err().to_string();
        assert!(error.starts_with("terminal: "), "{error}");
    }
    assert!(Size::new(0, 5).is_none() && Size::new(5, 10_000).is_none());
    let spec = Spec::plain(
        Run::Program { program: "printf".to_owned(), args: vec!["%s|".into(), "a b".into(), "c".into()] },
        "/tmp",
    );
    let terminal = Terminal::open(&spec, &shell).unwrap();
    end(&terminal).await;
    assert_eq!(terminal.output().text(), "a b|c|");
}

#[tokio::test]
async fn a_caged_terminal_works_and_writes_nowhere_else() {
    if cage::support() == Caged::Unavailable {
        return; // this kernel has none
    }
    let (inside, outside) = (tempfile::tempdir_in("/var/tmp").unwrap(), tempfile::tempdir_in("/var/tmp").unwrap());
    let text = format!("stty size; tty; echo x > in; echo y > {}/out; echo $?", outside.path().display());
    let spec = Spec { cage: Cage::Workspace, ..Spec::new(script(&text), inside.path()) };
    let terminal = Terminal::open(&spec, &Shell::unwatched()).unwrap();
    assert_eq!(end(&terminal).await, End::Exited(0));
    let said = terminal.output().text();
    assert!(said.starts_with("24 80\r\n/dev/pts/"), "{said}");
    assert!(inside.path().join("in").exists() && !outside.path().join("out").exists(), "{said}");
}
