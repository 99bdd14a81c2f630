// Drawn icons, 16×16, for the views; the pages have their own (icons.templ).

const paths = {
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6l7.5-4.8z",
  copy: "M5.5 7a1.5 1.5 0 0 1 1.5-1.5h5A1.5 1.5 0 0 1 13.5 7v5a1.5 1.5 0 0 1-1.5 1.5H7A1.5 1.5 0 0 1 5.5 12zM10.5 5.5v-2a1 1 0 0 0-1-1h-6a1 1 0 0 0-1 1v6a1 1 0 0 0 1 1h2",
  grow: "M9.5 2.5h4v4M6.5 13.5h-4v-4M13.5 2.5l-5 5M2.5 13.5l5-5",
  shrink: "M13 7H9V3M3 9h4v4M9 7l4.5-4.5M7 9l-4.5 4.5",
  check: "M3 8.5l3.2 3.2L13 4.8",
  cross: "M4 4l8 8M12 4l-8 8",
  table: "M2.5 3.5h11v9h-11zM2.5 6.5h11M6.5 6.5v6",
  picture: "M2.5 3.5h5v5h-5zM9.5 9.5h4v4h-4zM7.5 6h4.5v3.5",
  clock: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 4.6V8l2.4 1.6",
  down: "M3.5 6L8 10.5 12.5 6",
  save: "M8 2.5v7M5 6.8L8 9.8 11 6.8M3 13h10",
  right: "M6 3.5L10.5 8 6 12.5",
  again: "M13 8a5 5 0 1 1-1.5-3.6M13 2.5v3h-3",
  folder: "M2 4.5h4l1.5 1.5H14v7H2z",
  file: "M4 2.5h5l3 3v8H4zM9 2.5v3h3",
  open: "M9 3h4v4M13 3L7.5 8.5M11.5 9v4h-8V5h4",
  reader: "M8 3.2a1.2 1.2 0 1 0 0-.01M3 5.5l5 1 5-1M8 6.5v3.5l-2.5 4M8 10l2.5 4",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="i" viewBox="0 0 16 16" aria-hidden="true">
      <path d={paths[name]} fill={name === "play" ? "currentColor" : undefined} />
    </svg>
  );
}
