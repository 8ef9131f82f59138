module defib.dev/lab/clock

go 1.26.5
