package state

import (
	"fmt"
	"log/slog"
)

// logger passes the NATS server's warnings and errors on; it is chatty about the rest.
type logger struct{ to *slog.Logger }

func (l logger) Noticef(string, ...any)         {}
func (l logger) Debugf(string, ...any)          {}
func (l logger) Tracef(string, ...any)          {}
func (l logger) Warnf(format string, v ...any)  { l.to.Warn(fmt.Sprintf(format, v...)) }
func (l logger) Errorf(format string, v ...any) { l.to.Error(fmt.Sprintf(format, v...)) }
func (l logger) Fatalf(format string, v ...any) { l.to.Error(fmt.Sprintf(format, v...)) }
