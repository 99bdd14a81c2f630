// A view as a table: the same facts for those who would rather read, copy or hear them.

import type { ComponentChildren, VNode } from "preact";
import { t } from "../words.ts";

export interface Column {
  /** Its heading. */
  head: string;
  /** Names, addresses and numbers of the kernel: set in the font of the terminal. */
  mono?: boolean;
}

export interface Row {
  key: string | number;
  /** One for each column; the first names the row. */
  cells: ComponentChildren[];
  /** Class of the row. */
  cls?: string;
  /** What the row shows, for lighting it from the text (lit.ts). */
  o?: string;
}

export interface TableProps {
  caption: string;
  columns: Column[];
  rows: Row[];
  /** Said in place of rows where there are none. */
  empty?: string;
}

/** Columns by the names of their words (col.NAME); a name with "=" is set in the font of the terminal. */
export const columns = (...names: string[]): Column[] => names.map((name) => ({ head: t(`col.${name.replace("=", "")}`), mono: name.startsWith("=") }));

/** The tables of a view, in a box that scrolls. */
export function Tables({ label, tables }: { label: string; tables: TableProps[] }) {
  return (
    <div class="card tablecard" tabIndex={0} role="region" aria-label={label}>
      {tables.map((table) => (
        <Table key={table.caption} {...table} />
      ))}
    </div>
  );
}

export function Table({ caption, columns, rows, empty }: TableProps) {
  return (
    <table class="plain">
      <caption>{caption}</caption>
      {rows.length > 0 && (
        <thead>
          <tr>
            {columns.map((c) => (
              <th scope="col" key={c.head}>
                {c.head}
              </th>
            ))}
          </tr>
        </thead>
      )}
      <tbody>
        {rows.map((row) => lines.get(row) ?? lines.set(row, lineOf(row, columns)).get(row))}
        {rows.length === 0 && (
          <tr>
            <td class="none">{empty ?? t("table.empty")}</td>
          </tr>
        )}
      </tbody>
    </table>
  );
}

/** Lines of rows: a row that is the same object is drawn by the same one, which preact passes over. */
const lines = new WeakMap<Row, VNode>();

const lineOf = (row: Row, columns: Column[]): VNode => (
  <tr key={row.key} class={row.cls} data-o={row.o}>
    {row.cells.map((cell, i) =>
      i ? (
        <td key={i} class={columns[i]?.mono ? "mono" : undefined}>
          {cell}
        </td>
      ) : (
        <th key={i} scope="row" class={columns[i]?.mono ? "mono" : undefined}>
          {cell}
        </th>
      ),
    )}
  </tr>
);
