//! The files a command has the shell open.

use brush_parser::ast::{IoFileRedirectKind, IoFileRedirectTarget, IoRedirect, RedirectList};

use super::walk::Walk;
use super::{Access, Opaque, Redirect, Stage, word};

impl Walk {
    pub(super) fn redirects_of_group(&mut self, redirects: Option<&RedirectList>) {
        let mut group = Stage::default();
        for redirect in redirects.iter().flat_map(|list| &list.0) {
            self.redirect(redirect, &mut group);
        }
        if !group.redirects.is_empty() {
            self.push(group);
        }
    }

    pub(super) fn redirect(&mut self, redirect: &IoRedirect, stage: &mut Stage) {
        let (access, target) = match redirect {
            IoRedirect::File(_, kind, IoFileRedirectTarget::Filename(name)) => {
                let access = match kind {
                    IoFileRedirectKind::Read | IoFileRedirectKind::DuplicateInput => Access::Read,
                    IoFileRedirectKind::ReadAndWrite => Access::ReadWrite,
                    IoFileRedirectKind::Write
                    | IoFileRedirectKind::Append
                    | IoFileRedirectKind::Clobber
                    | IoFileRedirectKind::DuplicateOutput => Access::Write,
                };
                (access, self.word(&name.value))
            }
            IoRedirect::File(_, kind, IoFileRedirectTarget::Duplicate(name)) => {
                if !name.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte)) {
                    self.note(Opaque::Unclear); // bash expands the name twice, what was in quotes too
                }
                let name = self.word(&name.value);
                let number = name.text.strip_suffix('-').unwrap_or(&name.text);
                if !name.dynamic && number.bytes().all(|byte| byte.is_ascii_digit()) && !name.text.is_empty() {
                    return; // `2>&1`, `3>&-`
                }
                let reads = matches!(kind, IoFileRedirectKind::DuplicateInput);
                (if reads { Access::Read } else { Access::Write }, name)
            }
            IoRedirect::File(_, _, IoFileRedirectTarget::Fd(_)) => return,
            IoRedirect::File(_, _, IoFileRedirectTarget::ProcessSubstitution(_, subshell)) => {
                self.note(Opaque::ProcessSubstitution);
                return self.list(&subshell.list);
            }
            IoRedirect::OutputAndError(name, _) => (Access::Write, self.word(&name.value)),
            IoRedirect::HereString(_, text) => {
                self.word(&text.value);
                return;
            }
            IoRedirect::HereDocument(_, here) => {
                if let Err(reason) = word::check_here(&here.here_end.value, &here.doc.value) {
                    self.refused_word(&here.doc.value, reason);
                }
                return;
            }
        };
        stage.redirects.push(Redirect { access, target });
    }
}
