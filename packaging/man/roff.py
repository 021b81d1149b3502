"""What the pages are written in: the man macros of roff."""

import re


def escape(text):
  """Text that means itself, also at the beginning of a line."""
  text = text.replace("\\", "\\e").replace("…", "...")
  return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def code(text):
  """As escape; hyphens are those of the keyboard, so that what is copied works."""
  return escape(text).replace("-", "\\-")


def marked(text):
  """A paragraph with `code` and **weight**; names of Merino's are set in bold without being marked."""
  pieces = re.split(r"(`[^`]*`|\*\*.*?\*\*|\bmerino_[a-z0-9_]*[a-z0-9]\b|\bMERINO_[A-Z0-9_]*[A-Z0-9]\b|\[[^]]*\]\([^)]*\))", text)
  out = []
  for piece in pieces:
    link = re.fullmatch(r"\[([^]]*)\]\([^)]*\)", piece)
    if link:
      out.append(escape(link.group(1)))
    elif re.match(r"[`*]|merino_|MERINO_", piece):
      out.append("\\fB" + code(piece.strip("`*")) + "\\fP")
    else:
      out.append(escape(piece))
  return re.sub(r"^([.'])", r"\\&\1", "".join(out), flags=re.MULTILINE)


def paragraphs(text):
  """Paragraphs, separated by empty lines, as lines of roff."""
  return "\n.PP\n".join(marked(" ".join(p.split())) for p in re.split(r"\n\s*\n", text.strip()) if p.strip())


def title(name, section, version):
  kind = {"1": "Commands", "3": "Library functions", "7": "Overviews"}[section]
  return f'.TH "{code(name.upper())}" "{section}" "" "Merino {version}" "Merino: {kind}"\n.ad l\n.nh\n'


def see_also(names):
  """names: pairs of a page and its section."""
  return ".SH SEE ALSO\n" + ",\n".join(f"\\fB{code(name)}\\fP({section})" for name, section in names) + "\n"
