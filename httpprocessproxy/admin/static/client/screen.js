// A terminal's screen of unlimited height: the text that remains once output has overwritten itself.
// The same as core/page/screen.py, with the cases of test/core/page/screen.json.

const COLUMNS = 200; // a terminal stops the cursor at its edge

class Screen {
  lines = [[]]; // of cells: [character, style]
  row = 0;
  column = 0;

  write(text, style) {
    text.split('\n').forEach((line, index) => {
      if (index) this.feedLine();
      this.overwrite([...line], style);
    });
  }

  // Move the cursor or erase, by a control sequence: `final` and its first parameter, if any.
  obey(final, parameter) {
    const number = Number(parameter?.slice(0, 4) ?? 0);
    const count = Math.max(1, number);
    switch (final) {
      case '\r': this.column = 0; break;
      case '\b': this.column = Math.max(0, this.column - 1); break;
      case 'A': case 'F': this.row = Math.max(0, this.row - count); break;
      case 'B': case 'E': this.row = Math.min(this.lines.length - 1, this.row + count); break;
      case 'C': this.column = Math.max(this.column, Math.min(COLUMNS, this.column + count)); break;
      case 'D': this.column = Math.max(0, this.column - count); break;
      case 'G': this.column = Math.min(COLUMNS, count - 1); break;
      case 'K': this.erase(number); break;
      case 'J': if (number) this.beginLine(); else this.eraseBelow(); break;
      case 'H': case 'f': this.beginLine(); break;
    }
    if (final === 'E' || final === 'F') this.column = 0;
  }

  feedLine() {
    this.row++;
    this.column = 0;
    if (this.row === this.lines.length) this.lines.push([]);
  }

  beginLine() {
    this.row = this.lines.length - 1;
    if (this.lines[this.row].length) this.feedLine();
    this.column = 0;
  }

  overwrite(characters, style) {
    const line = this.lines[this.row];
    if (characters.length) this.fill(line, this.column);
    for (const character of characters) line[this.column++] = [character, style];
  }

  erase(how) {
    const line = this.lines[this.row];
    if (how === 0) line.splice(this.column);
    if (how !== 1 && how !== 2) return;
    const rest = how === 1 ? line.slice(this.column + 1) : [];
    line.length = 0;
    if (!rest.length) return;
    this.fill(line, this.column + 1);
    line.push(...rest);
  }

  eraseBelow() {
    this.erase(0);
    this.lines.splice(this.row + 1);
  }

  fill(line, column) {
    while (line.length < column) line.push([' ', {}]);
  }
}
