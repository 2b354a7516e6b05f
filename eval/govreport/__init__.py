"""GovReport (Huang et al., 2021): long government reports, as rows for the tasks that measure loss."""
