"""Section 3 from merino.h: a page for each group of functions, and a link for each function."""

import re

from roff import code, marked, paragraphs, see_also, title

BANNER = re.compile(r"/\* -{20,}\n(?P<text>.*?)\n \* -{20,} \*/", re.DOTALL)
DOCUMENTED = re.compile(
    r"/\*\*(?P<doc>.*?)\*/\s*"
    r"(?P<what>#define [^\n]*(?<=\\)\n[^\n]*|#define [^\n]*|typedef (?:enum|struct) \w+ \{.*?\n\} \w+;|[^;{}/#]*;)", re.DOTALL)
FIELD = re.compile(r"/\*\*(?P<doc>.*?)\*/\s*(?P<what>[^,;}]*)", re.DOTALL)


def plain(comment):
  """A comment's text without the stars at its margin."""
  return "\n".join(re.sub(r"^\s*\*? ?", "", line) for line in comment.split("\n")).strip()


class Group:
  """A part of the header below a banner: its name, what it is about, and its declarations."""

  def __init__(self, banner):
    head, _, self.text = plain(banner).partition("\n\n")
    words = re.match(r"(.*?)(?:\. (.*))?$", " ".join(head.split()))
    self.what = words.group(1)
    self.text = ((words.group(2) or "") + "\n\n" + self.text).strip()
    first = re.sub(r"^(the|a) ", "", self.what.lower())
    self.page = "merino_" + re.match(r"[a-z]+", first).group(0)
    self.items = []

  def functions(self):
    return [item for item in self.items if item.kind == "function"]


class Item:
  """A declaration with its documentation."""

  def __init__(self, doc, what):
    self.doc, self.what = plain(doc), what.strip()
    if self.what.startswith("#define"):
      self.kind, self.name = "macro", re.match(r"#define (\w+)", self.what).group(1)
    elif self.what.startswith("typedef"):
      pointer = None if "{" in self.what else re.search(r"\(\*(\w+)\)", self.what)
      self.kind, self.name = "type", (pointer or re.search(r"(\w+);$", self.what)).group(1)
    else:
      self.kind, self.name = "function", re.search(r"(\w+)\s*\(", self.what).group(1)

  def prototype(self):
    return " ".join(self.what.split())


def groups(header):
  banners = list(BANNER.finditer(header))
  found = []
  for banner, after in zip(banners, banners[1:] + [None]):
    group = Group(banner["text"])
    for match in DOCUMENTED.finditer(header[banner.end():after.start() if after else len(header)]):
      group.items.append(Item(match["doc"], match["what"]))
    found.append(group)
  return found


def documentation(doc):
  """The text before @param and @return, and these as tagged paragraphs."""
  parts = re.split(r"^@(?=param|return)", doc, flags=re.MULTILINE)
  out = [paragraphs(parts[0])]
  for part in parts[1:]:
    kind, _, text = part.partition(" ")
    if kind == "param":
      name, _, text = text.partition(" ")
      out.append(f".TP\n\\fI{name}\\fP\n" + paragraphs(text).replace("\n.PP\n", "\n.IP\n"))
    else:
      out.append(".TP\nReturns\n" + paragraphs(text).replace("\n.PP\n", "\n.IP\n"))
  return "\n".join(part for part in out if part)


def item_text(item):
  if item.kind == "macro":
    value = " ".join(item.what.replace("\\\n", " ").split()[1:])
    return f".SS {item.name}\n.nf\n\\fB{code('#define ' + value)}\\fP\n.fi\n.PP\n" + documentation(item.doc)
  if item.kind == "function":
    return f".SS {item.name}\n.nf\n\\fB{code(item.prototype())}\\fP\n.fi\n.PP\n" + documentation(item.doc)
  out = [f".SS {item.name}", documentation(item.doc)]
  if "{" in item.what:
    for field in FIELD.finditer(item.what[item.what.index("{"):]):
      out.append(f".TP\n\\fB{code(' '.join(field['what'].split()))}\\fP\n"
                 + paragraphs(plain(field["doc"])).replace("\n.PP\n", "\n.IP\n"))
  else:
    out.insert(1, f".nf\n\\fB{code(item.prototype())}\\fP\n.fi\n.PP")
  return "\n".join(out)


def page(group, all_groups, version):
  names = [function.name for function in group.functions()] or [group.page]
  what = group.what[0].lower() + group.what[1:]
  out = [title(group.page, "3", version) + ".SH NAME", ", ".join(code(name) for name in names) + " \\- " + marked(what)]
  out += [".SH SYNOPSIS", ".nf", "\\fB#include <merino.h>\\fP"]
  out += ["\\fB" + code(function.prototype()) + "\\fP" for function in group.functions()]
  out += [".fi", ".PP", "Compile and link with `pkg\\-config \\-\\-cflags \\-\\-libs merino`.", ".SH DESCRIPTION"]
  if group.text:
    out.append(paragraphs(group.text))
  out += [item_text(item) for item in group.items]
  if group.functions():
    out += [".SH ERRORS", "Functions that return \\fBint\\fP give \\fBMERINO_SUCCESS\\fP (0) or a negative code, unless said otherwise;"
            " \\fBmerino_last_error\\fP(3) gives the whole sentence, and \\fBmerino_result\\fP(3) lists the codes."]
  others = [(other.page, "3") for other in all_groups if other is not group]
  return "\n".join(out) + "\n" + see_also([("merino", "7"), ("merino-environment", "7")] + others)


def pages(header, version):
  """Pairs of a file's name and its text."""
  found = groups(header)
  for group in found:
    yield f"{group.page}.3", page(group, found, version)
    for function in group.functions():
      if function.name != group.page:
        yield f"{function.name}.3", f".so man3/{group.page}.3\n"
