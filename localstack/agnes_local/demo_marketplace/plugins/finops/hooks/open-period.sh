#!/bin/sh
# The period stays open until the fifth of the following month.
day=$(date +%d)
if [ "${day#0}" -le 5 ]; then
    echo "The previous accounting period is still open until the 5th."
else
    echo "Accounting period $(date +%Y-%m) is open."
fi
